#pragma once

#include "lib/kernels/device/skinny_product.cuh"

// One query head against a run of stored columns, by one block: the part of a softmax that those columns give.
namespace tacit::device {

inline constexpr int kMostSplits = 8;     // parts in which a row's columns are looked at
inline constexpr int kSplitColumns = 64;  // at least so many a part

// How a row's columns are cut: by their number alone, so that a row's answer does not depend on the rows beside it.
TACIT_BOTH int64_t split_columns(int64_t columns) {
  return columns <= kMostSplits * kSplitColumns ? kSplitColumns
                                                : round_up(divide_up(columns, kMostSplits), kSplitColumns);
}
TACIT_BOTH int splits_of(int64_t columns) { return static_cast<int>(divide_up(columns, split_columns(columns))); }

// Floats of shared memory that attend_columns() needs.
TACIT_BOTH int64_t attention_floats(int64_t value_size) { return kWarps * (round_up(value_size, kEight) + 2); }

template <class T>
struct Columns {
  const T* k_CE = nullptr;
  const T* v_CE = nullptr;  // null: values are the first dimensions of the keys
  int key_size = 0, value_size = 0;
  int64_t begin = 0, end = 0;
  const bool* seen_C = nullptr;  // null = all of them
  int64_t own = -1;              // this column, if in the run, is read from own_k and own_v in shared memory instead
  const float* own_k = nullptr;  // rounded to T already; zeros up to a multiple of 8
  const float* own_v = nullptr;
};

// Of a softmax over some columns: the largest score, the sum of exp(score - largest), and a lane's share of the values
// weighted so.
template <int kPacks>
struct Found {
  float largest, sum;
  float value[kPacks * kEight];
};

// exp(score - largest), 0 for a part that has seen nothing
TACIT_DEVICE float weight_of(float score, float largest) { return score == -infinity() ? 0 : expf(score - largest); }

template <int kPacks>
TACIT_DEVICE void merge(Found<kPacks>& into, const Found<kPacks>& other) {
  const float largest = fmaxf(into.largest, other.largest);
  const float a = weight_of(into.largest, largest), b = weight_of(other.largest, largest);
  into.largest = largest;
  into.sum = into.sum * a + other.sum * b;
  TACIT_UNROLL
  for (int j = 0; j < kPacks * kEight; ++j) into.value[j] = into.value[j] * a + other.value[j] * b;
}

template <class T>
TACIT_DEVICE Eight<T> eight_of(const float* shared) {
  Eight<T> out = zeros<T>();
  TACIT_UNROLL
  for (int j = 0; j < kEight; ++j) out.set(j, shared[j]);
  return out;
}

// q: shared memory, scaled, zeros from key_size to a multiple of 8. Gives value_E (unnormalised), and largest and sum
// in pair[0] and pair[1], in global memory. kPacks eights of a key or value at most fall to a lane. kVector: sizes are
// multiples of 8. All of the block calls it.
template <class T, int kPacks, bool kVector>
TACIT_DEVICE void attend_columns(const float* q, const Columns<T>& columns, float* scratch, float* value_E,
                                 float* pair) {
  constexpr int kAhead = kPacks == 1 ? 2 : 1;  // columns that a lane fetches together
  const int warp = thread() / kLanes, lane = thread() % kLanes;
  const int eights = static_cast<int>(divide_up(columns.key_size, kEight));
  const int value_eights = static_cast<int>(divide_up(columns.value_size, kEight));
  int lanes = 1;  // that serve a column
  while (lanes < kLanes && lanes * kPacks < (eights > value_eights ? eights : value_eights)) lanes *= 2;
  const int part = lane % lanes, slot = warp * (kLanes / lanes) + lane / lanes, slots = kWarps * (kLanes / lanes);

  float query[kPacks * kEight];
  Found<kPacks> found;
  found.largest = -infinity();
  found.sum = 0;
  TACIT_UNROLL
  for (int i = 0; i < kPacks * kEight; ++i) {
    const int at = part + i / kEight * lanes;
    query[i] = at < eights ? q[at * kEight + i % kEight] : 0;
    found.value[i] = 0;
  }

  for (int64_t base = columns.begin; base < columns.end; base += kAhead * slots) {
    Eight<T> k[kAhead][kPacks], v[kAhead][kPacks];
    bool sees[kAhead];
    TACIT_UNROLL
    for (int a = 0; a < kAhead; ++a) {
      const int64_t column = base + a * slots + slot;
      sees[a] = column < columns.end && (!columns.seen_C || columns.seen_C[column]);
      TACIT_UNROLL
      for (int i = 0; i < kPacks; ++i) {
        const int at = part + i * lanes;
        k[a][i] = v[a][i] = zeros<T>();
        if (sees[a] && column == columns.own) {
          if (at < eights) k[a][i] = eight_of<T>(columns.own_k + at * kEight);
          if (at < value_eights) v[a][i] = eight_of<T>(columns.own_v + at * kEight);
        } else if (sees[a]) {
          k[a][i] = load_eight<Source::written, kVector>(columns.k_CE + column * columns.key_size, at * kEight,
                                                         columns.key_size);
          if (columns.v_CE) {
            v[a][i] = load_eight<Source::written, kVector>(columns.v_CE + column * columns.value_size, at * kEight,
                                                           columns.value_size);
          }
        }
      }
    }
    TACIT_UNROLL
    for (int a = 0; a < kAhead; ++a) {
      float score = 0;
      TACIT_UNROLL
      for (int i = 0; i < kPacks * kEight; ++i) score += query[i] * k[a][i / kEight][i % kEight];
      for (int distance = lanes / 2; distance > 0; distance /= 2) score += shuffle_xor(score, distance);
      if (!sees[a]) continue;
      const float largest = fmaxf(found.largest, score);
      const float before = weight_of(found.largest, largest), weight = expf(score - largest);
      found.largest = largest;
      found.sum = found.sum * before + weight;
      TACIT_UNROLL
      for (int i = 0; i < kPacks * kEight; ++i) {
        const float value = columns.v_CE ? v[a][i / kEight][i % kEight] : k[a][i / kEight][i % kEight];
        found.value[i] = found.value[i] * before + weight * value;
      }
    }
  }

  for (int distance = lanes; distance < kLanes; distance *= 2) {
    Found<kPacks> other;
    other.largest = shuffle_xor(found.largest, distance);
    other.sum = shuffle_xor(found.sum, distance);
    TACIT_UNROLL
    for (int i = 0; i < kPacks * kEight; ++i) other.value[i] = shuffle_xor(found.value[i], distance);
    merge(found, other);
  }
  const int stride = value_eights * kEight + 2;
  float* const mine = scratch + warp * stride;
  if (lane < lanes) {
    TACIT_UNROLL
    for (int i = 0; i < kPacks * kEight; ++i) {
      const int at = part + i / kEight * lanes;
      if (at < value_eights) mine[at * kEight + i % kEight] = found.value[i];
    }
    if (part == 0) {
      mine[stride - 2] = found.largest;
      mine[stride - 1] = found.sum;
    }
  }
  sync_block();
  float largest = -infinity(), sum = 0;
  for (int w = 0; w < kWarps; ++w) largest = fmaxf(largest, scratch[w * stride + stride - 2]);
  for (int e = thread(); e < columns.value_size; e += kThreads) {
    float value = 0;
    for (int w = 0; w < kWarps; ++w)
      value += weight_of(scratch[w * stride + stride - 2], largest) * scratch[w * stride + e];
    value_E[e] = value;
  }
  if (thread() == 0) {
    for (int w = 0; w < kWarps; ++w)
      sum += weight_of(scratch[w * stride + stride - 2], largest) * scratch[w * stride + stride - 1];
    pair[0] = largest;
    pair[1] = sum;
  }
  sync_block();
}

// What the parts of a row's columns weigh, such that the answer is the sum of factor[s] * value_E of part s; zeros
// where no part has seen anything.
TACIT_DEVICE void split_factors(const float* pairs, int splits, float* factor) {
  float largest = -infinity(), sum = 0;
  for (int s = 0; s < splits; ++s) largest = fmaxf(largest, load_written(pairs + 2 * s));
  for (int s = 0; s < splits; ++s)
    sum += weight_of(load_written(pairs + 2 * s), largest) * load_written(pairs + 2 * s + 1);
  for (int s = 0; s < splits; ++s) factor[s] = sum > 0 ? weight_of(load_written(pairs + 2 * s), largest) / sum : 0;
}

}  // namespace tacit::device
