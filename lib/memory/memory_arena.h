#pragma once

#include <ATen/ATen.h>

#include <memory>

namespace tacit {

class HugePages;

// Where the tensors of one memory come from, all zero. On the CPU, and where they are large together, they lie side by
// side on pages of 2 MB: attention streams through them, and a stream through small pages waits for the translation of
// their addresses. A tensor keeps its pages. Those of the last few memories that ended, up to 1 GB together, are kept
// for the next ones: the system takes several times as long to find fresh ones as it takes to fill old ones with zeros.
class MemoryArena {
 public:
  // bytes: of all tensors that will be asked for, each rounded().
  MemoryArena(int64_t bytes, at::TensorOptions options);
  MemoryArena(const MemoryArena&) = delete;
  MemoryArena& operator=(const MemoryArena&) = delete;
  // To whole lines of a cache.
  static int64_t rounded(int64_t bytes) { return (bytes + 63) / 64 * 64; }
  // Fails where that is more than was said.
  at::Tensor zeros(at::IntArrayRef sizes);

 private:
  at::TensorOptions options_;
  std::shared_ptr<HugePages> pages_;  // null = each has memory of its own
  int64_t bytes_, used_ = 0;
};

}  // namespace tacit
