#pragma once

#include "lib/kernels/device/elements.cuh"

// A few rows of x times some rows of a weight matrix, by one block of kThreads.
//
// The work is cut into units of kTile outputs by kChunk inputs: a lane reads eight neighbouring weights of each output,
// so a warp reads 512 bytes (bf16) of each at once, and every x that it fetched from shared memory serves kTile
// outputs. Each warp takes an equal run of units, ordered by output, then input. What a warp has of an output when its
// run ends or the output does is summed over its lanes; an output that several warps share is put together of their
// pieces in the order of the warps. The order of additions depends on the sizes and the grid alone, not on how many
// rows there are.
namespace tacit::device {

inline constexpr int kThreads = 256;
inline constexpr int kWarps = kThreads / kLanes;
inline constexpr int kTile = 4;
inline constexpr int kChunk = kLanes * kEight;

// Where input k of a row of x lies in shared memory: such that the two 16-byte reads of a lane's eight neighbours meet
// no bank twice.
TACIT_BOTH int x_place(int k) { return (k & ~(kChunk - 1)) + ((k & 4) << 5) + ((k & 0xf8) >> 1) + (k & 3); }
TACIT_BOTH int64_t x_stride(int64_t inputs) { return round_up(inputs, kChunk); }

struct ProductUnits {
  int64_t chunks, units;
  TACIT_BOTH ProductUnits(int64_t outputs, int64_t inputs)
      : chunks(divide_up(inputs, kChunk)), units(divide_up(outputs, kTile) * chunks) {}
  TACIT_BOTH Share of_warp(int64_t warp) const { return share(units, warp, kWarps); }
  TACIT_BOTH int64_t warp_of(int64_t unit) const { return ((unit + 1) * kWarps - 1) / units; }
};

// Floats of shared memory beside x: totals of whole outputs, then two pieces a warp (the end of an output that another
// warp began; the beginning of one that another goes on with, or its middle).
TACIT_BOTH int64_t product_floats(int64_t outputs, int rows) {
  return (round_up(outputs, kTile) + 2 * kWarps * kTile) * rows;
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
  int64_t first = 0, second = -1;
  int count = 0;
  TACIT_BOTH int outputs() const { return second < 0 ? count : 2 * count; }
  TACIT_BOTH int64_t row(int i) const { return i < count ? first + i : second + (i - count); }
};

// x: kRows rows of x_stride(inputs) floats at x_place(), zeros past `inputs`. Leaves totals and pieces in `out`
// (product_floats); product_total() reads them behind a sync_block().
template <class T, int kRows, bool kVector>
TACIT_DEVICE void multiply(const T* weight, int inputs, const WeightRows& rows, const float* x, float* out) {
  constexpr int kValues = kTile * kRows;
  constexpr int kAhead = sizeof(T) == 2 ? 2 : 1;  // units whose weights are fetched together
  const int outputs = rows.outputs();
  if (outputs == 0) return;
  const int warp = thread() / kLanes, lane = thread() % kLanes;
  const int64_t stride = x_stride(inputs);
  const ProductUnits units(outputs, inputs);
  const Share mine = units.of_warp(warp);
  float* const pieces = out + divide_up(outputs, kTile) * kValues + warp * 2 * kValues;

  float sums[kValues];
  TACIT_UNROLL
  for (float& sum : sums) sum = 0;
  int chunks = static_cast<int>(units.chunks), chunk = static_cast<int>(mine.begin % chunks), begun = chunk;
  int tile = static_cast<int>(mine.begin / chunks);
  for (int64_t unit = mine.begin; unit < mine.end; unit += kAhead) {
    Eight<T> w[kAhead][kTile];
    int next_tile = tile, next_chunk = chunk;
    TACIT_UNROLL
    for (int a = 0; a < kAhead; ++a) {
      TACIT_UNROLL
      for (int t = 0; t < kTile; ++t) {
        const int i = next_tile * kTile + t;  // a last tile that is not full repeats its last output
        const T* const row = weight + rows.row(i < outputs ? i : outputs - 1) * inputs;
        w[a][t] = load_eight<Source::constant, kVector>(row, next_chunk * kChunk + lane * kEight,
                                                        unit + a < mine.end ? inputs : 0);
      }
      if (++next_chunk == chunks) next_chunk = 0, ++next_tile;
    }
    TACIT_UNROLL
    for (int a = 0; a < kAhead; ++a) {
      if (unit + a >= mine.end) break;
      TACIT_UNROLL
      for (int m = 0; m < kRows; ++m) {
        const float* const at = x + m * stride + chunk * kChunk + lane * 4;
        TACIT_UNROLL
        for (int half = 0; half < 2; ++half) {
          const Float4 x4 = *reinterpret_cast<const Float4*>(at + half * kChunk / 2);
          TACIT_UNROLL
          for (int t = 0; t < kTile; ++t) {
            TACIT_UNROLL
            for (int j = 0; j < 4; ++j) sums[t * kRows + m] += w[a][t][half * 4 + j] * x4.value[j];
          }
        }
      }
      const bool whole = chunk == chunks - 1;
      if (whole || unit + a == mine.end - 1) {
        float* const to = whole && begun == 0 ? out + tile * kValues : pieces + (begun == 0 ? kValues : 0);
        const float sum = sum_lanes(sums, lane);
        if (lane % (kLanes / kValues) == 0) to[lane / (kLanes / kValues)] = sum;
        TACIT_UNROLL
        for (float& s : sums) s = 0;
        begun = 0;
      }
      if (++chunk == chunks) chunk = 0, ++tile;
    }
  }
}

// Output i, row m of what multiply() left.
template <int kRows>
TACIT_DEVICE float product_total(const float* out, int outputs, int inputs, int i, int m) {
  constexpr int kValues = kTile * kRows;
  const ProductUnits units(outputs, inputs);
  const int64_t tile = i / kTile, value = (i % kTile) * kRows + m, first = tile * units.chunks;
  const int64_t begins = units.warp_of(first), ends = units.warp_of(first + units.chunks - 1);
  if (begins == ends) return out[tile * kValues + value];
  const float* const pieces = out + divide_up(outputs, kTile) * kValues + value;
  float total = pieces[(begins * 2 + 1) * kValues];
  for (int64_t warp = begins + 1; warp <= ends; ++warp) {
    const Share run = units.of_warp(warp);
    if (run.size() > 0) total += pieces[warp * 2 * kValues];
  }
  return total;
}

// Asks for the rows' bytes, at most `most` of them, to be brought nearer.
template <class T>
TACIT_DEVICE void prefetch_rows(const T* weight, int inputs, const WeightRows& rows, int64_t most) {
  constexpr int64_t kLine = 128;
  const int64_t bytes = int64_t{rows.count} * inputs * static_cast<int64_t>(sizeof(T));
  const int64_t run = bytes < most ? bytes : most;
  for (int part = 0; part < (rows.second < 0 ? 1 : 2); ++part) {
    const char* const at = reinterpret_cast<const char*>(weight + (part == 0 ? rows.first : rows.second) * inputs);
    for (int64_t offset = thread() * kLine; offset < run; offset += kThreads * kLine) prefetch(at + offset);
  }
}

}  // namespace tacit::device
