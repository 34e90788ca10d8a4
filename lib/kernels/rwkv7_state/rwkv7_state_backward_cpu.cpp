#include <algorithm>
#include <array>
#include <vector>

#include "lib/kernels/rwkv7_state/rwkv7_state_cpu.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

// Where the gradients of one column go.
struct Gradients {
  float *receptance_E, *decay_E, *key_E, *value_E, *removed_E, *rate_removed_E;

  Gradients(const Rwkv7StateBackwardArgs& a, int64_t offset)
      : receptance_E(a.d_receptance_BTHE + offset),
        decay_E(a.d_decay_BTHE + offset),
        key_E(a.d_key_BTHE + offset),
        value_E(a.d_value_BTHE + offset),
        removed_E(a.d_removed_BTHE + offset),
        rate_removed_E(a.d_rate_removed_BTHE + offset) {}

  std::array<float**, 6> all() { return {&receptance_E, &decay_E, &key_E, &value_E, &removed_E, &rate_removed_E}; }
};

// Room for one row and head: the states between two checkpoints, both ends included, and a column's vectors side by
// side. Where they lie in tensors they are whole pages apart, as are states of [64, 64], and would push each other out
// of the first-level cache.
struct Scratch {
  static constexpr int64_t kVectors = 14, kApart = 64;
  int64_t stride;  // of a state
  std::vector<float> states, vectors;

  explicit Scratch(const Rwkv7StateArgs& a)
      : stride(a.size * a.size + kApart), states((a.checkpoint_every + 1) * stride), vectors(kVectors * a.size) {}
};

// From S = S' diag(w) - s d^T + v k^T, s = S' c and y = S r, with G the gradient by S, and by S' once this returns:
//
//   G += dy r^T     dr = S^T dy    dv = G k        dk = G^T v
//   ds = -G d       dd = -G^T s    dw = sum_i G_i * S'_i        dc = S'^T ds        G := G diag(w) + ds c^T
//
// Rows first .. first + kRows - 1 of the matrices; sums over rows are added to `d`.
template <int kRows, bool kWhole>
[[gnu::always_inline]] inline void back_rows(const float* before, const float* after, float* gradient,
                                             const rwkv7::Column& x, const float* d_y_E, const Gradients& d,
                                             int64_t first, int64_t size) {
  const int64_t origin = first * size;
  const auto add = [&](float* to, Lanes more, int64_t j) __attribute__((always_inline)) {
    store<kWhole>(to + j, load<kWhole>(to + j, size - j) + more, size - j);
  };
  Lanes by_value[kRows] = {}, by_stood[kRows] = {}, stood_sum[kRows] = {};
  for (int64_t j = 0; j < size; j += kLanes) {
    const Lanes receptance = load<kWhole>(x.receptance_E + j, size - j), key = load<kWhole>(x.key_E + j, size - j);
    const Lanes rate_removed = load<kWhole>(x.rate_removed_E + j, size - j);
    const Lanes removed = load<kWhole>(x.removed_E + j, size - j);
    Lanes d_receptance = {}, d_key = {}, d_decay = {};
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const int64_t at = origin + r * size + j;
      const Lanes g = load<kWhole>(gradient + at, size - j) + d_y_E[first + r] * receptance;
      const Lanes was = load<kWhole>(before + at, size - j);
      store<kWhole>(gradient + at, g, size - j);
      d_receptance += d_y_E[first + r] * load<kWhole>(after + at, size - j);
      d_key += x.value_E[first + r] * g;
      d_decay += g * was;
      by_value[r] += g * key;
      by_stood[r] += g * rate_removed;
      stood_sum[r] += was * removed;
    }
    add(d.receptance_E, d_receptance, j);
    add(d.key_E, d_key, j);
    add(d.decay_E, d_decay, j);
  }
  float stood[kRows], d_stood[kRows];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    d.value_E[first + r] = total(by_value[r]);
    stood[r] = total(stood_sum[r]);
    d_stood[r] = -total(by_stood[r]);
  }
  for (int64_t j = 0; j < size; j += kLanes) {
    const Lanes decay = load<kWhole>(x.decay_E + j, size - j), removed = load<kWhole>(x.removed_E + j, size - j);
    Lanes d_rate_removed = {}, d_removed = {};
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const int64_t at = origin + r * size + j;
      const Lanes g = load<kWhole>(gradient + at, size - j);
      d_rate_removed -= stood[r] * g;
      d_removed += d_stood[r] * load<kWhole>(before + at, size - j);
      store<kWhole>(gradient + at, g * decay + d_stood[r] * removed, size - j);
    }
    add(d.rate_removed_E, d_rate_removed, j);
    add(d.removed_E, d_removed, j);
  }
}

// One column of one row and head; `gradient` goes from that by the state behind it to that by the state before it.
template <bool kWhole>
[[gnu::always_inline]] inline void back_column(const Rwkv7StateBackwardArgs& args, int64_t offset, const float* before,
                                               const float* after, float* gradient, Scratch& scratch) {
  const int64_t size = args.forward.size;
  float* next = scratch.vectors.data();
  rwkv7::Column x(args.forward, offset);
  const float* d_y_E = args.d_y_BTHE + offset;
  for (const float** from :
       {&x.receptance_E, &x.decay_E, &x.key_E, &x.value_E, &x.removed_E, &x.rate_removed_E, &d_y_E}) {
    *from = std::copy_n(*from, size, next) - size;
    next += size;
  }
  Gradients to(args, offset), d = to;
  for (float** each : d.all()) {
    std::fill_n(next, size, 0.0f);
    *each = next;
    next += size;
  }
  constexpr int kRows = 2;  // more would not fit the registers
  int64_t i = 0;
  for (; i + kRows <= size; i += kRows) back_rows<kRows, kWhole>(before, after, gradient, x, d_y_E, d, i, size);
  for (; i < size; ++i) back_rows<1, kWhole>(before, after, gradient, x, d_y_E, d, i, size);
  const auto results = d.all(), places = to.all();
  for (size_t k = 0; k < places.size(); ++k) std::copy_n(*results[k], size, *places[k]);
}

template <bool kWhole>
[[gnu::always_inline]] inline void run_head(const Rwkv7StateBackwardArgs& args, int64_t b, int64_t h,
                                            Scratch& scratch) {
  const Rwkv7StateArgs& a = args.forward;
  const int64_t size = a.size, matrix = size * size, head = b * a.heads + h;
  const int64_t kept = (a.columns + a.checkpoint_every - 1) / a.checkpoint_every;
  const auto is_real = [&](int64_t t) { return !a.real_BT || a.real_BT[b * a.columns + t]; };
  float *gradient = args.d_first_state_BHEE + head * matrix, *unused_y_E = scratch.vectors.data();
  if (args.d_last_state_BHEE) {
    std::copy_n(args.d_last_state_BHEE + head * matrix, matrix, gradient);
  } else {
    std::fill_n(gradient, matrix, 0.0f);
  }
  for (int64_t chunk = kept - 1; chunk >= 0; --chunk) {
    const int64_t begin = chunk * a.checkpoint_every, end = std::min(a.columns, begin + a.checkpoint_every);
    float* states = scratch.states.data();
    std::copy_n(a.checkpoints_BHNEE + (head * kept + chunk) * matrix, matrix, states);
    for (int64_t t = begin; t < end; ++t) {
      float *before = states + (t - begin) * scratch.stride, *after = before + scratch.stride;
      if (is_real(t)) {
        rwkv7::advance<kWhole>(before, after, rwkv7::Column(a, rwkv7::column_offset(a, b, t, h)), size, unused_y_E);
      } else {
        std::copy_n(before, matrix, after);
      }
    }
    for (int64_t t = end - 1; t >= begin; --t) {
      const int64_t offset = rwkv7::column_offset(a, b, t, h);
      if (!is_real(t)) {
        Gradients none(args, offset);
        for (float** each : none.all()) std::fill_n(*each, size, 0.0f);
        continue;
      }
      const float* before = states + (t - begin) * scratch.stride;
      back_column<kWhole>(args, offset, before, before + scratch.stride, gradient, scratch);
    }
  }
}

TACIT_CPU_CLONES void run_heads(const Rwkv7StateBackwardArgs& args, int64_t begin, int64_t end, Scratch& scratch) {
  const int64_t heads = args.forward.heads;
  for (int64_t head = begin; head < end; ++head) {
    if (args.forward.size % kLanes == 0) {
      run_head<true>(args, head / heads, head % heads, scratch);
    } else {
      run_head<false>(args, head / heads, head % heads, scratch);
    }
  }
}

}  // namespace

void rwkv7_state_backward_cpu(const Rwkv7StateBackwardArgs& args) {
  const Rwkv7StateArgs& a = args.forward;
  parallel_parts(0, a.rows * a.heads, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    Scratch scratch(a);
    run_heads(args, begin, end, scratch);
  });
}

}  // namespace tacit
