#pragma once

#include "lib/kernels/device/skinny_product.cuh"

// Norms of a few rows that lie in shared memory, as multiply() reads them. Sums are a warp's work, a warp a row, so
// that the order of additions does not depend on how many rows there are; the rest is spread over the block.
namespace tacit::device {

inline constexpr int kMostRows = kWarps;

// The total over a warp's lanes, for each of them.
TACIT_DEVICE float warp_total(float value) {
  TACIT_UNROLL
  for (int distance = kLanes / 2; distance > 0; distance /= 2) value += shuffle_xor(value, distance);
  return value;
}

struct Eighth {  // elements k .. k + 3 and k + 4 .. k + 7 of a row
  Float4 half[2];
  TACIT_DEVICE float& operator[](int j) { return half[j / 4].value[j % 4]; }
};
TACIT_DEVICE Eighth read_eight(const float* x, int k) {
  return {{*reinterpret_cast<const Float4*>(x + x_place(k)), *reinterpret_cast<const Float4*>(x + x_place(k + 4))}};
}
TACIT_DEVICE void write_eight(float* x, int k, const Eighth& eight) {
  *reinterpret_cast<Float4*>(x + x_place(k)) = eight.half[0];
  *reinterpret_cast<Float4*>(x + x_place(k + 4)) = eight.half[1];
}

// Calls work(m, k) for every eight of `rows` rows, over the block: k = 0, 8 .. up to x_stride(size).
template <class Work>
TACIT_DEVICE void each_eight(int rows, int size, const Work& work) {
  const int eights = static_cast<int>(x_stride(size)) / kEight;
  TACIT_LOOP
  for (int i = thread(); i < rows * eights; i += kThreads) work(i / eights, i % eights * kEight);
}

// y = (x - mean) * factor
struct Moments {
  float mean, factor;
};

// Of one row, zeros past `size`, by one warp.
TACIT_DEVICE Moments row_moments(const float* x, int size, bool layer_norm, float eps) {
  const int stride = static_cast<int>(x_stride(size)), lane = thread() % kLanes;
  float mean = 0, sum = 0;
  if (layer_norm) {
    for (int k = lane * kEight; k < size; k += kChunk) {
      Eighth eight = read_eight(x, k);
      TACIT_UNROLL
      for (int j = 0; j < kEight; ++j) sum += eight[j];
    }
    mean = warp_total(sum) / static_cast<float>(size);
    sum = 0;
  }
  for (int k = lane * kEight; k < stride; k += kChunk) {
    Eighth eight = read_eight(x, k);
    TACIT_UNROLL
    for (int j = 0; j < kEight; ++j) {
      const float value = k + j < size ? eight[j] - mean : 0;
      sum += value * value;
    }
  }
  return {mean, reciprocal_root(warp_total(sum) / static_cast<float>(size) + eps)};
}

template <class T>
struct NormWeights {
  const T* weight;
  const T* bias;  // null = 0
};

// One eight, normed; zeros past `size`, as the weights are read.
template <class T, bool kVector>
TACIT_DEVICE Eighth normed_eight(Eighth x, int k, int size, const Moments& of, const NormWeights<T>& norm) {
  const Eight<T> w = load_eight<Source::constant, kVector>(norm.weight, k, size);
  const Eight<T> b = norm.bias ? load_eight<Source::constant, kVector>(norm.bias, k, size) : zeros<T>();
  TACIT_UNROLL
  for (int j = 0; j < kEight; ++j) x[j] = (x[j] - of.mean) * of.factor * w[j] + b[j];
  return x;
}

}  // namespace tacit::device
