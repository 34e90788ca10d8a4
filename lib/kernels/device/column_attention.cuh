#pragma once

#include "lib/kernels/device/skinny_product.cuh"

// One query head against a run of stored columns, by one block: the part of a softmax that those columns give.
namespace tacit::device {

inline constexpr int kMostSplits = 8;      // parts in which a row's columns are looked at
inline constexpr int kSplitColumns = 128;  // at least so many a part

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

// How the lanes of a block share out columns: `lanes` neighbours serve a column, each `part` of its eights.
template <int kPacks>
struct ColumnLanes {
  int eights, value_eights, lanes, part, slot, slots;
  template <class T>
  TACIT_DEVICE explicit ColumnLanes(const Columns<T>& columns)
      : eights((columns.key_size + kEight - 1) / kEight), value_eights((columns.value_size + kEight - 1) / kEight) {
    const int lane = thread() % kLanes;
    lanes = 1;
    while (lanes < kLanes && lanes * kPacks < (eights > value_eights ? eights : value_eights)) lanes *= 2;
    part = lane % lanes;
    slots = kWarps * (kLanes / lanes);
    slot = thread() / kLanes * (kLanes / lanes) + lane / lanes;
  }
};

// Columns that a lane fetches together, its share of them. They are there before the query is, but for the own one.
template <class T, int kPacks>
struct FetchedColumns {
  static constexpr int kAhead = kPacks == 1 ? (sizeof(T) == 2 ? 4 : 2) : 1;
  Eight<T> k[kAhead][kPacks], v[kAhead][kPacks];
};
template <class T, int kPacks, bool kVector>
TACIT_DEVICE void fetch_columns(FetchedColumns<T, kPacks>& to, const Columns<T>& columns, const ColumnLanes<kPacks>& by,
                                int64_t base) {
  TACIT_UNROLL
  for (int a = 0; a < to.kAhead; ++a) {
    const int64_t column = base + a * by.slots + by.slot;
    const bool reads = column < columns.end && column != columns.own && (!columns.seen_C || columns.seen_C[column]);
    TACIT_UNROLL
    for (int i = 0; i < kPacks; ++i) {
      const int at = by.part + i * by.lanes;
      to.k[a][i] = to.v[a][i] = zeros<T>();
      if (!reads) continue;
      to.k[a][i] =
          load_eight<Source::written, kVector>(columns.k_CE + column * columns.key_size, at * kEight, columns.key_size);
      if (columns.v_CE) {
        to.v[a][i] = load_eight<Source::written, kVector>(columns.v_CE + column * columns.value_size, at * kEight,
                                                          columns.value_size);
      }
    }
  }
}

// q: shared memory, scaled, zeros from key_size to a multiple of 8. `fetched`: fetch_columns() from columns.begin on.
// Hands value_E (unnormalised) to store_value(e, value), and the largest score and the sum to store_pair(largest, sum).
// kPacks eights of a key or value at most fall to a lane. kVector: sizes are multiples of 8. All of the block calls it.
template <class T, int kPacks, bool kVector, class StoreValue, class StorePair>
TACIT_DEVICE void attend_columns(const float* q, const Columns<T>& columns, FetchedColumns<T, kPacks>& fetched,
                                 float* scratch, const StoreValue& store_value, const StorePair& store_pair) {
  constexpr int kAhead = FetchedColumns<T, kPacks>::kAhead;
  const int warp = thread() / kLanes, lane = thread() % kLanes;
  const ColumnLanes<kPacks> by(columns);
  const int eights = by.eights, value_eights = by.value_eights, lanes = by.lanes, part = by.part;

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

  TACIT_LOOP
  for (int64_t base = columns.begin; base < columns.end; base += kAhead * by.slots) {
    if (base > columns.begin) fetch_columns<T, kPacks, kVector>(fetched, columns, by, base);
    float score[kAhead];
    TACIT_UNROLL
    for (int a = 0; a < kAhead; ++a) {
      const int64_t column = base + a * by.slots + by.slot;
      const bool sees = column < columns.end && (!columns.seen_C || columns.seen_C[column]);
      if (sees && column == columns.own) {
        TACIT_UNROLL
        for (int i = 0; i < kPacks; ++i) {
          const int at = part + i * lanes;
          if (at < eights) fetched.k[a][i] = eight_of<T>(columns.own_k + at * kEight);
          if (at < value_eights) fetched.v[a][i] = eight_of<T>(columns.own_v + at * kEight);
        }
      }
      score[a] = 0;
      TACIT_UNROLL
      for (int i = 0; i < kPacks * kEight; ++i) score[a] += query[i] * fetched.k[a][i / kEight][i % kEight];
      for (int distance = lanes / 2; distance > 0; distance /= 2) score[a] += shuffle_xor(score[a], distance);
      if (!sees) score[a] = -infinity();
    }
    float largest = found.largest;
    TACIT_UNROLL
    for (int a = 0; a < kAhead; ++a) largest = fmaxf(largest, score[a]);
    const float before = weight_of(found.largest, largest);
    found.largest = largest;
    found.sum *= before;
    TACIT_UNROLL
    for (int i = 0; i < kPacks * kEight; ++i) found.value[i] *= before;
    TACIT_UNROLL
    for (int a = 0; a < kAhead; ++a) {
      const float weight = weight_of(score[a], largest);
      found.sum += weight;
      TACIT_UNROLL
      for (int i = 0; i < kPacks * kEight; ++i) {
        const float value = columns.v_CE ? fetched.v[a][i / kEight][i % kEight] : fetched.k[a][i / kEight][i % kEight];
        found.value[i] += weight * value;
      }
    }
  }

  TACIT_LOOP
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
  float largest = -infinity(), weight[kWarps];
  TACIT_UNROLL
  for (int w = 0; w < kWarps; ++w) largest = fmaxf(largest, scratch[w * stride + stride - 2]);
  TACIT_UNROLL
  for (int w = 0; w < kWarps; ++w) weight[w] = weight_of(scratch[w * stride + stride - 2], largest);
  const auto total = [&](int at) {
    float sum = 0;
    TACIT_UNROLL
    for (int w = 0; w < kWarps; ++w) sum += weight[w] * scratch[w * stride + at];
    return sum;
  };
  TACIT_LOOP
  for (int e = thread(); e < columns.value_size; e += kThreads) store_value(e, total(e));
  if (thread() == 0) store_pair(largest, total(stride - 1));
  sync_block();
}

}  // namespace tacit::device
