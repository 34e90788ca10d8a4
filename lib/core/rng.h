#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace tacit {

// One block of Philox4x32-10 for a counter and a key.
std::array<uint32_t, 4> philox4x32_10(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// A stream is named by (seed, stream, substream); the n-th draw of a stream is the same on every machine and compiler,
// and streams can be opened in any order, so work can be resumed, split or shuffled without changing a single draw.
// The seed is the key; the counter holds the stream (64 bits), the substream (32 bits) and the block (32 bits), so a
// stream has 2^34 draws of 32 bits. Asking for more throws.
class Rng {
 public:
  explicit Rng(uint64_t seed, uint64_t stream = 0, uint32_t substream = 0);

  uint32_t next_u32();
  uint64_t next_u64();
  double uniform();                            // [0, 1), 53 bits
  int64_t below(int64_t n);                    // [0, n), unbiased; n >= 1
  int64_t between(int64_t low, int64_t high);  // [low, high], both included
  double normal();               // mean 0, variance 1; Box-Muller on two uniforms in arithmetic of fixed order
  int64_t poisson(double mean);  // Knuth's product method; mean in (0, 30]

  template <class T>
  void shuffle(std::vector<T>& items) {  // Fisher-Yates
    for (int64_t i = static_cast<int64_t>(items.size()) - 1; i > 0; --i) std::swap(items[i], items[below(i + 1)]);
  }
  template <class T>
  const T& choice(const std::vector<T>& items) {
    return items[below(static_cast<int64_t>(items.size()))];
  }

  std::vector<int64_t> permutation(int64_t n);
  // k different positions of `weights`, drawn one after the other in proportion to their weights. Weights are
  // finite and not negative; a weight of 0 is never drawn, so k is at most the number of positive ones. Takes k passes.
  std::vector<int64_t> weighted_sample(std::span<const double> weights, int64_t k);

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;            // of block_
  bool exhausted_ = false;  // counter_ has come round
};

}  // namespace tacit
