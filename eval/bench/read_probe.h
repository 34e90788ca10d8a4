#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace tacit {

// How fast the machine reads memory: the floor of every step that reads its weights once. On the CPU all threads read
// a buffer several times the last-level cache, in 2 MB pages where the system grants them, by the fastest of three
// vector loops: one stream, two and eight. On CUDA the device reads (a sum) and copies a buffer of 2 GiB, and the
// faster of the two counts.
class ReadProbe {
 public:
  explicit ReadProbe(at::Device device);
  ~ReadProbe();
  ReadProbe(const ReadProbe&) = delete;
  ReadProbe& operator=(const ReadProbe&) = delete;

  double bytes() const { return static_cast<double>(size_); }  // that ms() is the time of
  double ms();
  void evict();  // puts other memory into the CPU's caches; nothing on CUDA

 private:
  double cuda_ms();

  at::Device device_;
  std::byte* mapped_ = nullptr;  // CPU: the map, and the part of it that begins with a large page
  std::byte* data_ = nullptr;
  size_t size_ = 0, mapped_size_ = 0, cache_ = 0;
  at::Tensor from_, to_;  // CUDA
};

}  // namespace tacit
