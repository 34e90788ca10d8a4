#pragma once

#include <cstddef>
#include <cstdint>

namespace tacit {

// Zeroed memory that starts at a multiple of 2 MB and asks the system for pages of that size: a stream through many
// small ones waits for the translation of their addresses.
class HugePages {
 public:
  explicit HugePages(int64_t bytes);
  ~HugePages();
  HugePages(const HugePages&) = delete;
  HugePages& operator=(const HugePages&) = delete;

  char* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t bytes_;
  void* mapped_ = nullptr;
  size_t mapped_bytes_ = 0;
  char* data_ = nullptr;
};

}  // namespace tacit
