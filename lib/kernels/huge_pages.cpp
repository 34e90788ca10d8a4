#include "lib/kernels/huge_pages.h"

#include <sys/mman.h>

#include "lib/core/error.h"

namespace tacit {

constexpr uintptr_t kPage = uintptr_t{1} << 21;

HugePages::HugePages(int64_t bytes) : bytes_(bytes) {
  require(bytes >= 0, "allocate", "expected at least 0 bytes but got ", bytes);
  if (bytes == 0) return;
  mapped_bytes_ = (static_cast<size_t>(bytes) + kPage - 1) / kPage * kPage + kPage;
  mapped_ = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  require(mapped_ != MAP_FAILED, "allocate", "expected ", mapped_bytes_, " bytes of memory but the system has none");
  data_ = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(mapped_) + kPage - 1) / kPage * kPage);
#ifdef MADV_HUGEPAGE
  madvise(data_, mapped_bytes_ - kPage, MADV_HUGEPAGE);  // where it is not granted, small pages serve
#endif
}

HugePages::~HugePages() {
  if (mapped_bytes_ > 0) munmap(mapped_, mapped_bytes_);
}

}  // namespace tacit
