#include "lib/memory/memory_arena.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/huge_pages.h"

namespace tacit {
namespace {

constexpr int64_t kWorthHugePages = int64_t{8} << 20;  // bytes; of less, the last page's rest would be much
constexpr size_t kMostSpare = 4;
constexpr int64_t kMostSpareBytes = int64_t{1} << 30;

// What memories that ended have left, the oldest first.
class SparePages {
 public:
  // Pages with room for `bytes`, at most twice as many. -> null where there are none
  std::unique_ptr<HugePages> take(int64_t bytes) {
    const std::lock_guard lock(mutex_);
    auto best = pages_.end();
    for (auto it = pages_.begin(); it != pages_.end(); ++it) {
      const int64_t room = (*it)->bytes();
      if (room >= bytes && room / 2 <= bytes && (best == pages_.end() || room < (*best)->bytes())) best = it;
    }
    if (best == pages_.end()) return nullptr;
    std::unique_ptr<HugePages> found = std::move(*best);
    pages_.erase(best);
    return found;
  }
  void keep(std::unique_ptr<HugePages> pages) {
    if (pages->bytes() > kMostSpareBytes) return;
    std::vector<std::unique_ptr<HugePages>> dropped;  // given back to the system when the lock is open again
    const std::lock_guard lock(mutex_);
    int64_t bytes = pages->bytes();
    for (const auto& some : pages_) bytes += some->bytes();
    while (pages_.size() == kMostSpare || bytes > kMostSpareBytes) {
      bytes -= pages_.front()->bytes();
      dropped.push_back(std::move(pages_.front()));
      pages_.erase(pages_.begin());
    }
    pages_.push_back(std::move(pages));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<HugePages>> pages_;
};

SparePages& spare_pages() {
  static auto* const pages = new SparePages;  // never destroyed: tensors may outlive every other static object
  return *pages;
}

std::shared_ptr<HugePages> zeroed_pages(int64_t bytes) {
  std::unique_ptr<HugePages> pages = spare_pages().take(bytes);
  if (pages) {
    at::from_blob(pages->data(), {bytes}, at::kByte).zero_();
  } else {
    pages = std::make_unique<HugePages>(bytes);
  }
  return {pages.release(), [](HugePages* ended) { spare_pages().keep(std::unique_ptr<HugePages>(ended)); }};
}

}  // namespace

MemoryArena::MemoryArena(int64_t bytes, at::TensorOptions options) : options_(options), bytes_(bytes) {
  if (options.device().is_cpu() && bytes >= kWorthHugePages) pages_ = zeroed_pages(bytes);
}

at::Tensor MemoryArena::zeros(at::IntArrayRef sizes) {
  const int64_t bytes = c10::multiply_integers(sizes) * static_cast<int64_t>(options_.dtype().itemsize());
  if (!pages_) return at::zeros(sizes, options_);
  require(used_ + rounded(bytes) <= bytes_, "make_memory", "expected ", bytes_, " bytes for all tensors but ", used_,
          " are taken and ", bytes, " are asked for");
  char* data = pages_->data() + used_;
  used_ += rounded(bytes);
  return at::from_blob(
      data, sizes, [pages = pages_](void*) {}, options_);
}

}  // namespace tacit
