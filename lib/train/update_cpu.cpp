#include "lib/train/update_cpu.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "lib/kernels/cpu_clones.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

constexpr int kLanes = 16;
constexpr int64_t kBlock = 1 << 14;  // elements a task

// Through local arrays: a loop over constant many of these becomes vector code.
template <int Count>
[[gnu::always_inline]] inline void update_lanes(const UpdateArgs& a, int64_t at) {
  float g[Count], m[Count], v[Count], w[Count];
  for (int j = 0; j < Count; ++j) g[j] = a.gradient[at + j];
  for (int j = 0; j < Count; ++j) m[j] = a.first[at + j];
  for (int j = 0; j < Count; ++j) v[j] = a.second[at + j];
  for (int j = 0; j < Count; ++j) w[j] = a.weight[at + j];
  const float new1 = 1 - a.beta1, new2 = 1 - a.beta2, root = a.root, eps = a.eps, rate = a.rate, keep = a.keep;
  for (int j = 0; j < Count; ++j) m[j] += new1 * (g[j] - m[j]);
  for (int j = 0; j < Count; ++j) v[j] = a.beta2 * v[j] + new2 * g[j] * g[j];
  for (int j = 0; j < Count; ++j) g[j] = __builtin_sqrtf(v[j]);
  for (int j = 0; j < Count; ++j) w[j] = keep * w[j] - rate * m[j] / (g[j] / root + eps);
  for (int j = 0; j < Count; ++j) a.first[at + j] = m[j];
  for (int j = 0; j < Count; ++j) a.second[at + j] = v[j];
  for (int j = 0; j < Count; ++j) a.weight[at + j] = w[j];
}

TACIT_CPU_CLONES void update_range(const UpdateArgs& a, int64_t begin, int64_t end) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) update_lanes<kLanes>(a, i);
  for (; i < end; ++i) update_lanes<1>(a, i);
}

TACIT_CPU_CLONES double square_sum(const float* x, int64_t count) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lanes[j] += x[i + j] * x[i + j];
  }
  double sum = 0;
  for (float lane : lanes) sum += lane;
  for (; i < count; ++i) sum += static_cast<double>(x[i]) * x[i];
  return sum;
}

}  // namespace

void update_cpu(const UpdateArgs& args) {
  parallel_parts(0, args.count, kBlock, [&](int64_t begin, int64_t end) { update_range(args, begin, end); });
}

double square_sum_cpu(const float* x, int64_t count) {
  const int64_t blocks = (count + kBlock - 1) / kBlock;
  std::vector<double> part(blocks);
  parallel_parts(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) part[b] = square_sum(x + b * kBlock, std::min(kBlock, count - b * kBlock));
  });
  double sum = 0;
  for (double p : part) sum += p;
  return sum;
}

}  // namespace tacit
