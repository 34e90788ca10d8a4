#pragma once

#include "lib/kernels/device/tagged_numbers.cuh"
#include "lib/kernels/latent_loop/loop_plan.cuh"

namespace tacit::device {

// What a phase receives and what it tells; 0 in the graph's kernels.
struct Tags {
  uint32_t in, out;
};

// What all phases share: a block's rows in shared memory, and norms of them. T: of all but matrices in memory.
// kRows: rows that share a fetch of the weights; more of them are worked off in groups.
template <class T, int kRows, bool kVector>
struct LoopBlock {
  static_assert(kRows <= kMostRows, "a warp a row");
  const LoopPlan& plan;
  RowState* row;  // of all rows
  float* shared;

  TACIT_DEVICE float* x(int m) const { return shared + plan.shared.x + m * static_cast<int>(plan.stride()); }
  TACIT_DEVICE float* second_x(int m) const {
    return shared + plan.shared.second_x + m * static_cast<int>(plan.stride());
  }
  static constexpr int kWide = kVector ? 4 : 1;  // neighbours lie together in x, too
  // With more rows there are no registers left to hold weights while a phase waits, nor much of what it waits for.
  static constexpr bool kHoldsWeights = kRows == 1;
  static constexpr int kMany = kRows == 1 ? 12 : 4;
  using Numbers = Few<kWide>;
  static TACIT_DEVICE Numbers& few_at(float* place) { return *reinterpret_cast<Numbers*>(place); }
  static TACIT_DEVICE const Numbers& few_at(const float* place) { return *reinterpret_cast<const Numbers*>(place); }
  TACIT_DEVICE Numbers& at_x(int m, int k) const { return few_at(x(m) + x_place(k)); }
  TACIT_DEVICE float* norms(int number) const {  // weights, then biases
    return shared + plan.shared.norms + number * 2 * static_cast<int>(plan.stride());
  }
  TACIT_DEVICE Moments* moments() const { return reinterpret_cast<Moments*>(shared + plan.shared.moments); }
  TACIT_DEVICE int warp() const { return thread() / kLanes; }
  TACIT_DEVICE int lane() const { return thread() % kLanes; }
  TACIT_DEVICE int rows_from(int first) const { return plan.rows - first < kRows ? plan.rows - first : kRows; }
  TACIT_DEVICE bool any_active(int first, int rows) const {
    bool any = false;
    for (int m = 0; m < rows; ++m) any = any || row[first + m].active;
    return any;
  }
  static TACIT_DEVICE NormWeights<T> weights(const LoopNorm& norm) {
    return {static_cast<const T*>(norm.weight), static_cast<const T*>(norm.bias)};
  }
  static TACIT_DEVICE float bias(const void* bias_O, int64_t o) {
    return bias_O ? load_one(static_cast<const T*>(bias_O) + o) : 0;
  }

  // Where a row's keys and values of a head are stored.
  TACIT_DEVICE int64_t stored_at(int b, int kv_head) const {
    return (int64_t{b} * plan.kv_heads + kv_head) * plan.columns * plan.head_size;
  }

  static TACIT_DEVICE int row_of(int i, int size) { return kRows == 1 ? 0 : i / size; }
  // Calls work(i, m, k) for every kWide elements of `rows` rows of `size`, i = m * size + k, each thread its own.
  template <class Work>
  TACIT_DEVICE void each_few(int rows, int size, const Work& work) const {
    TACIT_LOOP
    for (int i = thread() * kWide; i < rows * size; i += kThreads * kWide) {
      const int m = row_of(i, size);
      work(i, m, i - m * size);
    }
  }
  // Behind `inputs` elements of each row of x, as the products read them.
  TACIT_DEVICE void zero_rest(int rows, int inputs, float* to) const {
    const int stride = static_cast<int>(x_stride(inputs));
    if (inputs == stride) return;
    TACIT_LOOP
    for (int i = thread(); i < rows * (stride - inputs); i += kThreads) {
      const int m = row_of(i, stride - inputs);
      to[m * stride + x_place(inputs + i - m * (stride - inputs))] = 0;
    }
  }

  // Of x's rows, between two barriers: x may be written over behind them. Of a single row every warp takes them for
  // itself.
  TACIT_DEVICE Moments take_moments(int rows) const {
    sync_block();
    Moments of = {};
    if (kRows == 1 || warp() < rows) of = row_moments(x(kRows == 1 ? 0 : warp()), plan.size, plan.layer_norm, plan.eps);
    if (kRows > 1 && warp() < rows && lane() == 0) moments()[warp()] = of;
    sync_block();
    return of;
  }
  TACIT_DEVICE Moments moments_of(int m, const Moments& single) const { return kRows == 1 ? single : moments()[m]; }

  // kWide of a vector of weights; zeros of none.
  static TACIT_DEVICE Numbers few_of(const void* vector, int k) {
    struct alignas(sizeof(T) * kWide) Raw {
      T value[kWide];
    };
    Numbers out = {};
    if (!vector) return out;
    const Raw raw = *reinterpret_cast<const Raw*>(static_cast<const T*>(vector) + k);
    TACIT_UNROLL
    for (int j = 0; j < kWide; ++j) out.value[j] = widen(raw.value[j]);
    return out;
  }
  // Brings a norm's weights to norms(number).
  TACIT_DEVICE void stage_norm(const LoopNorm& norm, int number) const {
    each_few(1, plan.size, [&](int, int, int k) {
      few_at(norms(number) + k) = few_of(norm.weight, k);
      few_at(norms(number) + plan.stride() + k) = few_of(norm.bias, k);
    });
  }
  TACIT_DEVICE Numbers normed(const Numbers& x, int k, const Moments& of, int number) const {
    const Numbers &weight = few_at(norms(number) + k), &bias = few_at(norms(number) + plan.stride() + k);
    Numbers out;
    TACIT_UNROLL
    for (int j = 0; j < kWide; ++j) out.value[j] = (x.value[j] - of.mean) * of.factor * weight.value[j] + bias.value[j];
    return out;
  }
  // x = norm(x), whose weights were staged: the thread's own elements. Whoever reads others syncs first.
  TACIT_DEVICE void norm_staged(int rows, int number) const {
    const Moments single = take_moments(rows);
    each_few(rows, plan.size,
             [&](int, int m, int k) { at_x(m, k) = normed(at_x(m, k), k, moments_of(m, single), number); });
  }
  // The same by weights that were not; nothing where there is no norm.
  TACIT_DEVICE void norm(int rows, const LoopNorm& by) const {
    if (!by.weight) return;
    const Moments single = take_moments(rows);
    each_few(rows, plan.size, [&](int, int m, int k) {
      const Moments of = moments_of(m, single);
      const Numbers weight = few_of(by.weight, k), shift = few_of(by.bias, k);
      Numbers& x = at_x(m, k);
      TACIT_UNROLL
      for (int j = 0; j < kWide; ++j)
        x.value[j] = (x.value[j] - of.mean) * of.factor * weight.value[j] + shift.value[j];
    });
  }
};

}  // namespace tacit::device
