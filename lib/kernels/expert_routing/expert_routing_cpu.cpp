#include <algorithm>
#include <vector>

#include "lib/kernels/expert_routing/expert_routing.h"
#include "lib/kernels/gated_mlp/activation_lanes.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

// Sums in the order of lanes, whatever X is.
TACIT_CPU_CLONES void affinities(const float* logits, int64_t experts, bool sigmoid, float* out) {
  if (sigmoid) {
    for (int64_t x = 0; x < experts; x += kLanes) {
      store<false>(out + x, 1.0f / (1.0f + exponential(-load<false>(logits + x, experts - x))), experts - x);
    }
    return;
  }
  const float highest = *std::max_element(logits, logits + experts);
  Lanes sums = {};
  for (int64_t x = 0; x < experts; x += kLanes) {
    Lanes e = exponential(load<false>(logits + x, experts - x) - highest);
    for (int64_t i = experts - x; i < kLanes; ++i) e[i] = 0;
    sums += e;
    store<false>(out + x, e, experts - x);
  }
  const float sum = total(sums);
  for (int64_t x = 0; x < experts; ++x) out[x] /= sum;
}

// The places of the `count` highest, the highest first, of equals the lower place first.
void highest(const float* values, int64_t size, int64_t count, int64_t* out) {
  int64_t held = 0;
  for (int64_t i = 0; i < size; ++i) {
    if (held == count && !(values[i] > values[out[held - 1]])) continue;
    int64_t at = held < count ? held++ : held - 1;
    for (; at > 0 && values[i] > values[out[at - 1]]; --at) out[at] = out[at - 1];
    out[at] = i;
  }
}

struct RoutingScratch {
  std::vector<float> affinity, score, group_score;
  std::vector<int64_t> group;
};

void route(const ExpertRoutingArgs& a, int64_t n, RoutingScratch& s) {
  affinities(a.logits_NX + n * a.experts, a.experts, a.sigmoid, s.affinity.data());
  for (int64_t x = 0; x < a.experts; ++x) s.score[x] = s.affinity[x] + (a.correction_X ? a.correction_X[x] : 0);
  if (a.groups > 1) {
    const int64_t size = a.experts / a.groups;
    for (int64_t g = 0; g < a.groups; ++g) {
      int64_t best[2];
      const float* scores = s.score.data() + g * size;
      highest(scores, size, 2, best);
      s.group_score[g] = scores[best[0]] + scores[best[1]];
    }
    highest(s.group_score.data(), a.groups, a.chosen_groups, s.group.data());
    for (int64_t g = 0; g < a.groups; ++g) {
      const auto end = s.group.begin() + a.chosen_groups;
      // 0, not -inf, as in transformers: an expert outside still comes before one inside whose score is negative.
      if (std::find(s.group.begin(), end, g) == end) std::fill_n(s.score.begin() + g * size, size, 0.0f);
    }
  }
  int64_t* expert = a.expert_NC + n * a.chosen;
  float *weight = a.weight_NC + n * a.chosen, sum = 0;
  highest(s.score.data(), a.experts, a.chosen, expert);
  for (int64_t c = 0; c < a.chosen; ++c) sum += weight[c] = s.affinity[expert[c]];
  for (int64_t c = 0; c < a.chosen; ++c) weight[c] = (a.normalised ? weight[c] / (sum + 1e-20f) : weight[c]) * a.scale;
}

template <class T>
[[gnu::always_inline]] inline void sum_rows(const ExpertSumArgs& a, int64_t begin, int64_t end) {
  const auto* found = static_cast<const T*>(a.found_MD);
  for (int64_t n = begin; n < end; ++n) {
    T* y = static_cast<T*>(a.y_ND) + n * a.size;
    by_lanes(a.size, [&](int64_t d, auto left) TACIT_INLINE {
      Lanes sum = {};
      for (int64_t m = n * a.chosen; m < (n + 1) * a.chosen; ++m) {
        sum += a.weight_NC[m] * load_part(found + a.place_NC[m] * a.size + d, left);
      }
      store_part(y + d, sum, left);
    });
  }
}

TACIT_CPU_CLONES void sum_rows_fp32(const ExpertSumArgs& a, int64_t begin, int64_t end) {
  sum_rows<float>(a, begin, end);
}
TACIT_CPU_CLONES void sum_rows_bf16(const ExpertSumArgs& a, int64_t begin, int64_t end) {
  sum_rows<Bf16>(a, begin, end);
}

}  // namespace

void expert_routing_cpu(const ExpertRoutingArgs& a) {
  constexpr int64_t kWorthAThread = 8192;  // affinities
  parallel_parts(0, a.tokens, std::max<int64_t>(1, kWorthAThread / a.experts), [&](int64_t begin, int64_t end) {
    RoutingScratch s{std::vector<float>(a.experts), std::vector<float>(a.experts), std::vector<float>(a.groups),
                     std::vector<int64_t>(a.groups)};
    for (int64_t n = begin; n < end; ++n) route(a, n, s);
  });
  // Sorted by counting.
  const int64_t choices = a.tokens * a.chosen;
  std::fill_n(a.begin_X1, a.experts + 1, 0);
  for (int64_t m = 0; m < choices; ++m) ++a.begin_X1[a.expert_NC[m] + 1];
  for (int64_t x = 0; x < a.experts; ++x) a.begin_X1[x + 1] += a.begin_X1[x];
  std::vector<int64_t> next(a.begin_X1, a.begin_X1 + a.experts);
  for (int64_t m = 0; m < choices; ++m) {
    a.place_NC[m] = next[a.expert_NC[m]]++;
    a.token_M[a.place_NC[m]] = m / a.chosen;
  }
}

void expert_sum_cpu(const ExpertSumArgs& a) {
  constexpr int64_t kWorthAThread = 32768;  // elements read
  parallel_parts(
      0, a.tokens, std::max<int64_t>(1, kWorthAThread / (a.chosen * a.size)),
      [&](int64_t begin, int64_t end) { (a.scalar == Scalar::fp32 ? sum_rows_fp32 : sum_rows_bf16)(a, begin, end); });
}

}  // namespace tacit
