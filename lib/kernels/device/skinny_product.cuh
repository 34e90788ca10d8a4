#pragma once

#include "lib/kernels/device/elements.cuh"

// A few rows of x times some rows of a weight matrix, by one block of kThreads.
//
// The work is cut into items of kTile outputs by kChunks * kChunk inputs: a lane reads eight neighbouring weights of
// each output and chunk, so a warp reads 512 bytes (bf16) of each at once, and every x that it fetched from shared
// memory serves kTile outputs. An item's sums are taken over a warp's lanes; an output is the sum of its items in their
// order. So the order of additions depends on the inputs' number alone: neither on how many rows there are nor on who
// does what. A warp's first item can be fetched before x is known.
namespace tacit::device {

inline constexpr int kThreads = 256;
inline constexpr int kWarps = kThreads / kLanes;
inline constexpr int kTile = 4;
inline constexpr int kChunk = kLanes * kEight;

// Where input k of a row of x lies in shared memory: such that the two 16-byte reads of a lane's eight neighbours meet
// no bank twice.
TACIT_BOTH int x_place(int k) { return (k & ~(kChunk - 1)) + ((k & 4) << 5) + ((k & 0xf8) >> 1) + (k & 3); }
TACIT_BOTH int64_t x_stride(int64_t inputs) { return round_up(inputs, kChunk); }

// Chunks of an item: as many weights as a lane holds while it waits for x. A block's warps together fetch faster than
// memory delivers.
template <class T>
inline constexpr int kChunks = sizeof(T) == 4 ? 1 : 3;

struct ProductItems {
  int chunks, groups, items;  // of an output; of a tile; of all
  TACIT_BOTH ProductItems(int outputs, int inputs, int chunks_at_once)
      : chunks((inputs + kChunk - 1) / kChunk),
        groups((chunks + chunks_at_once - 1) / chunks_at_once),
        items((outputs + kTile - 1) / kTile * groups) {}
};

// Floats of shared memory beside x: the sums of all items.
TACIT_BOTH int64_t product_floats(int64_t outputs, int64_t inputs, int rows, int chunks_at_once) {
  return int64_t{ProductItems(static_cast<int>(outputs), static_cast<int>(inputs), chunks_at_once).items} * kTile *
         rows;
}

// Sums each of n values over the warp's lanes. Lane l returns that of value l / (32 / n): the lanes first share the
// values out among them, at each distance one half to those above, then add what is left.
template <int n, int distance = kLanes / 2>
TACIT_DEVICE float sum_lanes(const float (&value)[n], int lane) {
  static_assert(n > 0 && n <= kLanes && (n & (n - 1)) == 0, "a power of two");
  if constexpr (n == 1) {
    float sum = value[0];
    TACIT_UNROLL
    for (int rest = distance; rest > 0; rest /= 2) sum += shuffle_xor(sum, rest);
    return sum;
  } else {
    const bool upper = lane & distance;
    float half[n / 2];
    TACIT_UNROLL
    for (int i = 0; i < n / 2; ++i) {
      const float kept = upper ? value[i + n / 2] : value[i], sent = upper ? value[i] : value[i + n / 2];
      half[i] = kept + shuffle_xor(sent, distance);
    }
    return sum_lanes<n / 2, distance / 2>(half, lane);
  }
}

// The rows of a weight matrix that a block multiplies with: `count` from `first` on, then, if `second` is not negative,
// as many from there.
struct WeightRows {
  int first = 0, second = -1, count = 0;
  TACIT_BOTH int outputs() const { return second < 0 ? count : 2 * count; }
  TACIT_BOTH int row(int i) const { return i < count ? first + i : second + (i - count); }
};

template <class T>
struct ItemWeights {
  Eight<T> chunk[kChunks<T>][kTile];
};
template <class T, bool kVector>
TACIT_DEVICE void fetch_item(ItemWeights<T>& to, int item, const T* weight, int inputs, const WeightRows& rows) {
  const int outputs = rows.outputs();
  const ProductItems all(outputs, inputs, kChunks<T>);
  if (item >= all.items) return;
  const int tile = all.groups == 1 ? item : item / all.groups, group = item - tile * all.groups;
  TACIT_UNROLL
  for (int t = 0; t < kTile; ++t) {
    const int i = tile * kTile + t;  // a last tile that is not full repeats its last output
    const T* const row = weight + int64_t{rows.row(i < outputs ? i : outputs - 1)} * inputs;
    TACIT_UNROLL
    for (int c = 0; c < kChunks<T>; ++c) {
      to.chunk[c][t] = load_eight<Source::constant, kVector>(
          row, (group * kChunks<T> + c) * kChunk + thread() % kLanes * kEight, inputs);
    }
  }
}
// The calling warp's first.
template <class T, bool kVector>
TACIT_DEVICE void fetch_first_item(ItemWeights<T>& to, const T* weight, int inputs, const WeightRows& rows) {
  if (rows.count > 0) fetch_item<T, kVector>(to, thread() / kLanes, weight, inputs, rows);
}

// x: kRows rows of x_stride(inputs) floats at x_place(), zeros past `inputs`. `w`, with kFetched: fetch_first_item().
// Leaves the items' sums in `out` (product_floats); product_total() reads them behind a sync_block().
template <class T, int kRows, bool kVector, bool kFetched = true>
TACIT_DEVICE void multiply(ItemWeights<T>& w, const T* weight, int inputs, const WeightRows& rows, const float* x,
                           float* out) {
  constexpr int kValues = kTile * kRows;
  if (rows.count == 0) return;
  const int lane = thread() % kLanes, stride = static_cast<int>(x_stride(inputs));
  const ProductItems all(rows.outputs(), inputs, kChunks<T>);
  TACIT_LOOP
  for (int item = thread() / kLanes; item < all.items; item += kWarps) {
    if (!kFetched || item >= kWarps) fetch_item<T, kVector>(w, item, weight, inputs, rows);
    const int group = all.groups == 1 ? 0 : item % all.groups;
    float sums[kValues];
    TACIT_UNROLL
    for (float& sum : sums) sum = 0;
    TACIT_UNROLL
    for (int c = 0; c < kChunks<T>; ++c) {
      const int chunk = group * kChunks<T> + c;
      if (chunk >= all.chunks) break;
      TACIT_UNROLL
      for (int m = 0; m < kRows; ++m) {
        const float* const at = x + m * stride + chunk * kChunk + lane * 4;
        TACIT_UNROLL
        for (int half = 0; half < 2; ++half) {
          const Float4 x4 = *reinterpret_cast<const Float4*>(at + half * kChunk / 2);
          TACIT_UNROLL
          for (int t = 0; t < kTile; ++t) {
            TACIT_UNROLL
            for (int j = 0; j < 4; ++j) sums[t * kRows + m] += w.chunk[c][t][half * 4 + j] * x4.value[j];
          }
        }
      }
    }
    const float sum = sum_lanes(sums, lane);
    if (lane % (kLanes / kValues) == 0) out[item * kValues + lane / (kLanes / kValues)] = sum;
  }
}

// Output i, row m of what multiply() left.
template <class T, int kRows>
TACIT_DEVICE float product_total(const float* out, int inputs, int i, int m) {
  constexpr int kValues = kTile * kRows;
  const int groups = ProductItems(1, inputs, kChunks<T>).groups;
  const float* const sums = out + i / kTile * groups * kValues + (i % kTile) * kRows + m;
  float total = sums[0];
  TACIT_LOOP
  for (int group = 1; group < groups; ++group) total += sums[group * kValues];
  return total;
}

// Asks for bytes to be brought nearer.
TACIT_DEVICE void prefetch_bytes(const void* address, int64_t bytes) {
  constexpr int kLine = 128;
  TACIT_LOOP
  for (int64_t at = thread() * kLine; at < bytes; at += kThreads * kLine)
    prefetch(static_cast<const char*>(address) + at);
}
// For the rows' weights, at most `most` bytes of them.
template <class T>
TACIT_DEVICE void prefetch_rows(const T* weight, int inputs, const WeightRows& rows, int64_t most) {
  const int64_t bytes = int64_t{rows.count} * inputs * static_cast<int64_t>(sizeof(T));
  TACIT_LOOP
  for (int part = 0; part < (rows.second < 0 ? 1 : 2); ++part)
    prefetch_bytes(weight + int64_t{part == 0 ? rows.first : rows.second} * inputs, bytes < most ? bytes : most);
}

}  // namespace tacit::device
