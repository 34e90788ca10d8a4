#include <algorithm>
#include <limits>
#include <vector>

#include "lib/kernels/decode_attention/decode_attention_backward.h"
#include "lib/kernels/gated_mlp/activation_lanes.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

// A row's KV head and the query heads that share it.
template <class T>
struct Group {
  int64_t heads, key_size, value_size, stored;
  const bool* seen_S;  // null = all
  float scale;
  const T *q_HE, *k_SE, *v_SE, *dy_HE;
  T *dq_HE, *dk_SE, *dv_SE;
  float *share_HS, *slope_HS, *dq_E;  // space

  bool sees(int64_t s) const { return !seen_S || seen_S[s]; }
};

template <class T>
[[gnu::always_inline]] inline float dot(const T* x, const T* y, int64_t size) {
  Lanes sum = {};
  by_lanes(size, [&](int64_t i, auto left) TACIT_INLINE { sum += load_part(x + i, left) * load_part(y + i, left); });
  return total(sum);
}

// The softmax of what the query scores, and how the loss changes with each score.
template <class T>
[[gnu::always_inline]] inline void shares_and_slopes(const Group<T>& g, int64_t h) {
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  float *share = g.share_HS + h * g.stored, *slope = g.slope_HS + h * g.stored;
  const T *q = g.q_HE + h * g.key_size, *dy = g.dy_HE + h * g.value_size;
  float largest = kHidden;
  for (int64_t s = 0; s < g.stored; ++s) {
    share[s] = g.sees(s) ? g.scale * dot(q, g.k_SE + s * g.key_size, g.key_size) : kHidden;
    slope[s] = g.sees(s) ? dot(dy, g.v_SE + s * g.value_size, g.value_size) : 0;
    largest = share[s] > largest ? share[s] : largest;
  }
  Lanes sums = {}, weighted = {};
  by_lanes(g.stored, [&](int64_t s, auto left) TACIT_INLINE {
    const Lanes score = load_part(share + s, left);
    const Lanes e = score == kHidden ? Lanes{} : exponential(score - largest);
    store_part(share + s, e, left);
    const Lanes mine = load_part(share + s, left);  // zero past the end
    sums += mine;
    weighted += mine * load_part(slope + s, left);
  });
  const float scale = 1 / total(sums), mean = total(weighted) * scale;
  for (int64_t s = 0; s < g.stored; ++s) {
    share[s] *= scale;
    slope[s] = g.scale * share[s] * (slope[s] - mean);
  }
}

template <class T>
[[gnu::always_inline]] inline void backward(const Group<T>& g) {
  for (int64_t h = 0; h < g.heads; ++h) shares_and_slopes(g, h);
  std::fill_n(g.dq_E, g.heads * g.key_size, 0.0f);
  for (int64_t s = 0; s < g.stored; ++s) {
    if (!g.sees(s)) continue;
    T *dk = g.dk_SE + s * g.key_size, *dv = g.dv_SE + s * g.value_size;
    by_lanes(g.key_size, [&](int64_t e, auto left) TACIT_INLINE {
      const Lanes k = load_part(g.k_SE + s * g.key_size + e, left);
      Lanes sum = load_part(dk + e, left);
      for (int64_t h = 0; h < g.heads; ++h) {
        const float slope = g.slope_HS[h * g.stored + s];
        float* dq = g.dq_E + h * g.key_size + e;
        store_part(dq, load_part(dq, left) + slope * k, left);
        sum += slope * load_part(g.q_HE + h * g.key_size + e, left);
      }
      store_part(dk + e, sum, left);
    });
    by_lanes(g.value_size, [&](int64_t e, auto left) TACIT_INLINE {
      Lanes sum = load_part(dv + e, left);
      for (int64_t h = 0; h < g.heads; ++h) {
        sum += g.share_HS[h * g.stored + s] * load_part(g.dy_HE + h * g.value_size + e, left);
      }
      store_part(dv + e, sum, left);
    });
  }
  by_lanes(g.heads * g.key_size,
           [&](int64_t e, auto left) TACIT_INLINE { store_part(g.dq_HE + e, load_part(g.dq_E + e, left), left); });
}

TACIT_CPU_CLONES void backward_fp32(const Group<float>& group) { backward(group); }
TACIT_CPU_CLONES void backward_bf16(const Group<Bf16>& group) { backward(group); }

template <class T>
void run(const DecodeAttentionBackwardArgs& args, void (*backward_of)(const Group<T>&)) {
  constexpr int64_t kWorthTheTeam = 1 << 18;  // multiply-adds, of four kinds; below, waking a thread costs more
  const DecodeAttentionArgs& a = args.forward;
  const int64_t heads = a.heads / a.kv_heads, E = a.key_size, F = a.value_size;
  int64_t most = 0, work = 0;
  for (int64_t b = 0; b < a.rows; ++b) {
    most = std::max(most, a.stored_B[b]);
    work += a.stored_B[b] * a.heads * (E + F);
  }
  const auto at = [](const void* base, int64_t element) { return static_cast<const T*>(base) + element; };
  const auto into = [](void* base, int64_t element) { return static_cast<T*>(base) + element; };
  run_team(work < kWorthTheTeam, [&](Team& team) {
    thread_local std::vector<float> space;
    const auto size = static_cast<size_t>(heads * (2 * most + E));
    if (space.size() < size) space.resize(size);
    const auto [first, last] = team.share(a.rows * a.kv_heads);
    for (int64_t item = first; item < last; ++item) {
      const int64_t b = item / a.kv_heads, query = (b * a.heads + item % a.kv_heads * heads);
      backward_of({.heads = heads,
                   .key_size = E,
                   .value_size = F,
                   .stored = a.stored_B[b],
                   .seen_S = a.seen_BC ? a.seen_BC + b * a.columns : nullptr,
                   .scale = a.scale,
                   .q_HE = at(a.q_BHE, query * E),
                   .k_SE = at(a.k_BGCE, item * a.columns * E),
                   .v_SE = at(a.v_BGCE, item * a.columns * F),
                   .dy_HE = at(args.dy_BHE, query * F),
                   .dq_HE = into(args.dq_BHE, query * E),
                   .dk_SE = into(args.dk_BGCE, item * a.columns * E),
                   .dv_SE = into(args.dv_BGCE, item * a.columns * F),
                   .share_HS = space.data(),
                   .slope_HS = space.data() + heads * most,
                   .dq_E = space.data() + 2 * heads * most});
    }
  });
}

}  // namespace

void decode_attention_backward_cpu(const DecodeAttentionBackwardArgs& args) {
  args.forward.scalar == Scalar::fp32 ? run<float>(args, backward_fp32) : run<Bf16>(args, backward_bf16);
}

}  // namespace tacit
