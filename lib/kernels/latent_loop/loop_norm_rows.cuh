#pragma once

#include "lib/kernels/device/norm_rows.cuh"
#include "lib/kernels/latent_loop/loop_norm.h"

// The norm that the loop takes of a hidden state, by itself: a block a row, in the loop's own order of sums.
namespace tacit::device {

inline constexpr int64_t kMostNormSize = 16384;
TACIT_BOTH int64_t loop_norm_floats(int64_t size) { return x_stride(size) + 2; }

template <class T>
TACIT_DEVICE void run_loop_norm(const LoopNormArgs& args) {
  const int size = static_cast<int>(args.size);
  float* const x = shared_memory();
  Moments& of = *reinterpret_cast<Moments*>(x + x_stride(size));
  const T* const from = static_cast<const T*>(args.x_ND) + block() * int64_t{size};
  T* const to = static_cast<T*>(args.y_ND) + block() * int64_t{size};
  const NormWeights<T> norm = {static_cast<const T*>(args.norm.weight), static_cast<const T*>(args.norm.bias)};
  each_eight(1, size, [&](int, int k) {
    const Eight<T> eight = load_eight<Source::written, false>(from, k, size);
    Eighth wide;
    TACIT_UNROLL
    for (int j = 0; j < kEight; ++j) wide[j] = eight[j];
    write_eight(x, k, wide);
  });
  sync_block();
  if (thread() < kLanes) {
    const Moments moments = row_moments(x, size, args.layer_norm, args.eps);
    if (thread() == 0) of = moments;
  }
  sync_block();
  each_eight(1, size, [&](int, int k) {
    Eighth y = normed_eight<T, false>(read_eight(x, k), k, size, of, norm);
    TACIT_UNROLL
    for (int j = 0; j < kEight; ++j) {
      if (k + j < size) to[k + j] = narrow<T>(y[j]);
    }
  });
}

}  // namespace tacit::device
