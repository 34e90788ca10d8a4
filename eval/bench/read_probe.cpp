#include "eval/bench/read_probe.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "eval/bench/timing.h"
#include "lib/core/error.h"
#include "lib/kernels/cpu_clones.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

constexpr size_t kPage = 4096, kLargePage = size_t{2} << 20;
constexpr size_t kLeastBuffer = size_t{256} << 20, kMostBuffer = size_t{4} << 30;
constexpr size_t kUnknownCache = size_t{64} << 20;
constexpr int64_t kCudaBytes = int64_t{2} << 30;

using Word = uint64_t __attribute__((vector_size(32)));  // two SSE, one AVX2 register
constexpr size_t kUnroll = 8;
constexpr size_t kPrefetchAhead = 1024;  // bytes

uint64_t folded(const Word (&sums)[kUnroll]) {
  uint64_t out = 0;
  for (const Word& sum : sums) out ^= sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
  return out;
}

// `size` is a multiple of kUnroll words.
TACIT_CPU_CLONES uint64_t read_one_stream(const std::byte* data, size_t size) {
  const Word* words = reinterpret_cast<const Word*>(data);
  Word sums[kUnroll] = {};
#pragma GCC unroll 1
  for (size_t i = 0; i < size / sizeof(Word); i += kUnroll) {
#pragma GCC unroll 8
    for (size_t k = 0; k < kUnroll; ++k) sums[k] ^= words[i + k];
  }
  return folded(sums);
}

// As many parts side by side: memory answers one stream a core more slowly than several. `size` is a multiple of a
// page.
template <size_t kStreams>
[[gnu::always_inline]] inline uint64_t read_streams(const std::byte* data, size_t size) {
  const size_t part = size / kStreams;
  Word sums[kUnroll] = {};
#pragma GCC unroll 1
  for (size_t at = 0; at < part; at += kUnroll / 2 * sizeof(Word)) {
#pragma GCC unroll 8
    for (size_t s = 0; s < kStreams; ++s) {
      const std::byte* from = data + s * part + at;
      __builtin_prefetch(from + kPrefetchAhead);
      __builtin_prefetch(from + kPrefetchAhead + 64);
      const Word* words = reinterpret_cast<const Word*>(from);
#pragma GCC unroll 4
      for (size_t k = 0; k < kUnroll / 2; ++k) sums[(s * kUnroll / 2 + k) % kUnroll] ^= words[k];
    }
  }
  return folded(sums);
}
TACIT_CPU_CLONES uint64_t read_two_streams(const std::byte* data, size_t size) { return read_streams<2>(data, size); }
TACIT_CPU_CLONES uint64_t read_eight_streams(const std::byte* data, size_t size) { return read_streams<8>(data, size); }

std::atomic<uint64_t> sink;  // what was read must be used

// Each thread its own part, the same at every call.
template <class Part>
void by_thread(size_t size, const Part& part) {
  const int64_t threads = at::get_num_threads();
  parallel_parts(0, threads, 1, [&](int64_t begin, int64_t end) {
    const size_t piece = size / static_cast<size_t>(threads) / kPage * kPage;
    for (int64_t t = begin; t < end; ++t) part(piece * static_cast<size_t>(t), piece);
  });
}

size_t buffer_size(size_t cache) {
  const auto memory = static_cast<size_t>(std::max(sysconf(_SC_PHYS_PAGES), 1L)) *
                      static_cast<size_t>(std::max(sysconf(_SC_PAGE_SIZE), 1L));
  const size_t wanted = std::clamp(4 * cache, kLeastBuffer, std::clamp(memory / 8, kLeastBuffer, kMostBuffer));
  const size_t unit = kLargePage * static_cast<size_t>(at::get_num_threads());
  return (wanted + unit - 1) / unit * unit;
}

}  // namespace

ReadProbe::ReadProbe(at::Device device) : device_(device) {
  if (!device.is_cpu()) {
    size_ = static_cast<size_t>(kCudaBytes);
    from_ = at::zeros({kCudaBytes / 4}, at::TensorOptions().dtype(at::kFloat).device(device));
    to_ = at::empty_like(from_);
    return;
  }
  const long level3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
  cache_ = level3 > 0 ? static_cast<size_t>(level3) : kUnknownCache;
  size_ = buffer_size(cache_);
  mapped_size_ = size_ + kLargePage;
  void* map = ::mmap(nullptr, mapped_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  require(map != MAP_FAILED, "bench", "expected ", mapped_size_, " bytes of memory to measure its bandwidth");
  mapped_ = static_cast<std::byte*>(map);
  const auto address = reinterpret_cast<uintptr_t>(mapped_);
  data_ = mapped_ + (kLargePage - address % kLargePage) % kLargePage;
  ::madvise(data_, size_, MADV_HUGEPAGE);  // without large pages the loop is slower, and is all the same a measurement
  by_thread(size_, [this](size_t at, size_t bytes) { std::memset(data_ + at, static_cast<int>(at >> 21), bytes); });
}

ReadProbe::~ReadProbe() {
  if (mapped_ != nullptr) ::munmap(mapped_, mapped_size_);
}

double ReadProbe::ms() {
  if (!device_.is_cpu()) return cuda_ms();
  const auto with = [this](auto loop) {
    return milliseconds(
        at::kCPU, [&] { by_thread(size_, [&](size_t at, size_t bytes) { sink.fetch_xor(loop(data_ + at, bytes)); }); });
  };
  return std::min({with(read_one_stream), with(read_two_streams), with(read_eight_streams)});
}

double ReadProbe::cuda_ms() {
  const double read = milliseconds(device_, [&] { from_.sum(); });
  const double copy = milliseconds(device_, [&] { to_.copy_(from_); });
  return std::min(read, copy / 2);
}

void ReadProbe::evict() {
  if (!device_.is_cpu()) {
    to_.zero_();
    return;
  }
  by_thread(std::min(size_, 2 * cache_),
            [&](size_t at, size_t bytes) { sink.fetch_xor(read_one_stream(data_ + at, bytes)); });
}

}  // namespace tacit
