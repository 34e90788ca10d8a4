#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "lib/kernels/cpu_lanes.h"
#include "lib/kernels/log_linear_state/log_linear_state.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

constexpr int64_t kMaxLevels = 63;

int64_t digits(int64_t x) { return std::bit_width(static_cast<uint64_t>(x)); }

// One column of a row and head, as the rows of the state see it. The matrix of level l that is kept in memory is to be
// multiplied by its factor: decays are gathered there, and written out once, at the segment's end.
struct Step {
  int64_t offset;            // of the column's vectors
  int64_t merged = 0;        // the level that takes in all below it; 0 = there is nothing before
  int64_t occupied = 0;      // level l > 0 holds something after the merge: bit l
  float below[kMaxLevels];   // the factors of levels 0 .. merged - 1 just before they merge
  float weight[kMaxLevels];  // factor and weight of every level after the merge
};

struct Plan {
  std::vector<Step> steps;
  int64_t before = -1, last = -1;  // the positions that the state stands at, and goes on to
  float factor[kMaxLevels];        // left over at the end
};

// What needs no matrix is worked out once for all rows of the state. In fp64, lest factors near 1 lose their digits.
void make_plan(const LogLinearStateArgs& a, int64_t b, int64_t h, Plan& plan) {
  plan.steps.clear();
  double factor[kMaxLevels];
  std::fill_n(factor, a.levels, 1.0);
  for (int64_t t = 0; t < a.columns; ++t) {
    const int64_t column = b * a.columns + t;
    if (a.real_BT && !a.real_BT[column]) continue;
    const int64_t position = a.position_BT[column], head = column * a.heads + h;
    if (plan.steps.empty()) plan.before = position - 1;
    Step& step = plan.steps.emplace_back();
    step.offset = head * a.size;
    const double kept = std::exp(static_cast<double>(a.decay_BTH[head]));
    for (int64_t l = 0; l < a.levels; ++l) factor[l] *= kept;
    if (position > 0) {
      step.merged = digits(position ^ (position - 1));
      for (int64_t l = 0; l < step.merged; ++l) step.below[l] = static_cast<float>(factor[l]);
      std::fill_n(factor, step.merged + 1, 1.0);
    }
    factor[0] = 1;
    step.occupied = position << 1;
    for (int64_t l = 0; l < a.levels; ++l) {
      step.weight[l] = static_cast<float>(factor[l] * a.weight_BTHL[head * a.levels + l]);
    }
    plan.last = position;
  }
  for (int64_t l = 0; l < a.levels; ++l) plan.factor[l] = static_cast<float>(factor[l]);
}

// Rows first .. first + kRows - 1 of one head's matrices through the whole segment: a row needs no other.
template <int kRows, bool kWhole>
[[gnu::always_inline]] inline void run_rows(const LogLinearStateArgs& a, const Plan& plan, float* state,
                                            int64_t first) {
  const int64_t size = a.size, level_stride = a.heads * size * size;
  const auto row = [&](int64_t level, int64_t r) __attribute__((always_inline)) {
    return state + level * level_stride + (first + r) * size;
  };
  bool held = true;  // level 0 lies in memory; later it is value and key of the column before
  int64_t before_offset = 0;
  int64_t occupied = plan.before >= 0 ? plan.before << 1 : 0;
  for (const Step& step : plan.steps) {
    // The rows that are summed, with their factors: first those that merge, then the others.
    const float* from[kMaxLevels];
    float by[kMaxLevels];
    int merging = 0, summed = 0;
    const auto take = [&](int64_t level, float factor) {
      from[summed] = row(level, 0);
      by[summed++] = factor;
    };
    if (step.merged > 0 && held) take(0, step.below[0]);
    for (int64_t l = 1; l < step.merged; ++l) {
      if (occupied >> l & 1) take(l, step.below[l]);
    }
    merging = summed;
    for (int64_t l = step.merged + 1; l < a.levels; ++l) {
      if (step.occupied >> l & 1) take(l, step.weight[l]);
    }
    const float *query = a.query_BTHE + step.offset, *key = a.key_BTHE + step.offset;
    const float* value = a.value_BTHE + step.offset + first;
    const float *old_key = a.key_BTHE + before_offset, *old_value = a.value_BTHE + before_offset + first;
    float* merged = row(step.merged, 0);
    Lanes found[kRows] = {}, own = {};
    for (int64_t j = 0; j < size; j += kLanes) {
      const int64_t left = size - j;
      Lanes sum[kRows] = {};
      if (step.merged > 0) {
        if (!held) {
          const Lanes old = step.below[0] * load<kWhole>(old_key + j, left);
#pragma GCC unroll 4
          for (int r = 0; r < kRows; ++r) sum[r] = old_value[r] * old;
        }
        for (int i = 0; i < merging; ++i) {
#pragma GCC unroll 4
          for (int r = 0; r < kRows; ++r) sum[r] += by[i] * load<kWhole>(from[i] + r * size + j, left);
        }
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          store<kWhole>(merged + r * size + j, sum[r], left);
          sum[r] = step.weight[step.merged] * sum[r];
        }
      }
      for (int i = merging; i < summed; ++i) {
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) sum[r] += by[i] * load<kWhole>(from[i] + r * size + j, left);
      }
      const Lanes q = load<kWhole>(query + j, left);
      own += q * load<kWhole>(key + j, left);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) found[r] += sum[r] * q;
    }
    const float score = step.weight[0] * total(own);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) a.y_BTHE[step.offset + first + r] = total(found[r]) + score * value[r];
    held = false;
    before_offset = step.offset;
    occupied = step.occupied;
  }
  // What is in memory becomes what it stands for.
  const float *key = a.key_BTHE + before_offset, *value = a.value_BTHE + before_offset + first;
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    for (int64_t j = 0; j < size; j += kLanes)
      store<kWhole>(row(0, r) + j, value[r] * load<kWhole>(key + j, size - j), size - j);
  }
  const int64_t touched = plan.before < 0 ? a.levels - 1 : digits(plan.last ^ plan.before);
  for (int64_t l = 1; l < a.levels; ++l) {
    const bool empty = !(occupied >> l & 1);
    if (empty && l > touched) continue;
    const float factor = empty ? 0 : plan.factor[l];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      if (empty) {
        std::fill_n(row(l, r), size, 0.0f);
        continue;
      }
      for (int64_t j = 0; j < size; j += kLanes) {
        store<kWhole>(row(l, r) + j, factor * load<kWhole>(row(l, r) + j, size - j), size - j);
      }
    }
  }
}

template <bool kWhole>
[[gnu::always_inline]] inline void run_head(const LogLinearStateArgs& a, int64_t b, int64_t h, const Plan& plan) {
  constexpr int kRows = 4;  // independent sums, so that none waits for another
  float* state = a.state_BLHEE + (b * a.levels * a.heads + h) * a.size * a.size;
  int64_t i = 0;
  for (; i + kRows <= a.size; i += kRows) run_rows<kRows, kWhole>(a, plan, state, i);
  for (; i < a.size; ++i) run_rows<1, kWhole>(a, plan, state, i);
}

TACIT_CPU_CLONES void run_head_here(const LogLinearStateArgs& a, int64_t b, int64_t h, const Plan& plan) {
  if (a.size % kLanes == 0) {
    run_head<true>(a, b, h, plan);
  } else {
    run_head<false>(a, b, h, plan);
  }
}

}  // namespace

void log_linear_state_cpu(const LogLinearStateArgs& a) {
  if (a.real_BT) std::fill_n(a.y_BTHE, a.rows * a.columns * a.heads * a.size, 0.0f);
  constexpr int64_t kWorthAThread = 16384;  // elements of states passed
  const int64_t grain = std::max<int64_t>(1, kWorthAThread / (a.columns * a.size * a.size));
  parallel_parts(0, a.rows * a.heads, grain, [&](int64_t begin, int64_t end) {
    Plan plan;
    for (int64_t head = begin; head < end; ++head) {
      const int64_t b = head / a.heads, h = head % a.heads;
      make_plan(a, b, h, plan);
      if (!plan.steps.empty()) run_head_here(a, b, h, plan);
    }
  });
}

}  // namespace tacit
