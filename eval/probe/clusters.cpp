#include "eval/probe/clusters.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit::probe {
namespace {

// Square distance of every item to every centre.
at::Tensor square_distance(const at::Tensor& x_ND, const at::Tensor& centre_CD) {
  const at::Tensor d_NC = x_ND.square().sum(1, true) - 2 * x_ND.matmul(centre_CD.t()) + centre_CD.square().sum(1);
  return d_NC.clamp_min(0);
}

at::Tensor plus_plus(const at::Tensor& x_ND, int64_t clusters, Rng& rng) {
  const int64_t count = x_ND.size(0);
  std::vector<int64_t> chosen = {rng.below(count)};
  while (std::ssize(chosen) < clusters) {
    const at::Tensor centre_CD = x_ND.index_select(0, at::tensor(chosen, at::kLong));
    const at::Tensor near_N = std::get<0>(square_distance(x_ND, centre_CD).min(1)).contiguous();
    std::vector<double> weights(near_N.const_data_ptr<double>(), near_N.const_data_ptr<double>() + count);
    for (const int64_t c : chosen) weights[c] = 0;
    const bool any = std::ranges::any_of(weights, [](double w) { return w > 0; });
    if (!any) {  // fewer distinct items than clusters: whichever is free
      for (int64_t i = 0; i < count; ++i) weights[i] = std::ranges::find(chosen, i) == chosen.end() ? 1 : 0;
    }
    chosen.push_back(rng.weighted_sample(weights, 1)[0]);
  }
  return x_ND.index_select(0, at::tensor(chosen, at::kLong));
}

struct Assigned {
  at::Tensor label_N, near_N;
};
Assigned assign(const at::Tensor& x_ND, const at::Tensor& centre_CD) {
  auto [near_N, label_N] = square_distance(x_ND, centre_CD).min(1);
  return {label_N, near_N};
}

at::Tensor centres(const at::Tensor& x_ND, at::Tensor& label_N, at::Tensor near_N, int64_t clusters) {
  at::Tensor size_C = at::bincount(label_N, {}, clusters);
  for (int64_t c = 0; c < clusters; ++c) {
    if (size_C[c].item<int64_t>() > 0) continue;
    // From a cluster that can spare it.
    const at::Tensor spare_N = size_C.index_select(0, label_N) > 1;
    const int64_t far = at::where(spare_N, near_N, at::full_like(near_N, -1)).argmax().item<int64_t>();
    label_N[far] = c;
    near_N[far] = 0;
    size_C = at::bincount(label_N, {}, clusters);
  }
  const at::Tensor one_hot_NC = at::one_hot(label_N, clusters).to(at::kDouble);
  return one_hot_NC.t().matmul(x_ND) / one_hot_NC.sum(0).unsqueeze(1);
}

std::map<int64_t, double> sizes_of(std::span<const int64_t> labels) {
  std::map<int64_t, double> out;
  for (const int64_t label : labels) ++out[label];
  return out;
}

double entropy_nats(const std::map<int64_t, double>& sizes, double count) {
  double out = 0;
  for (const auto& [label, size] : sizes) out -= size / count * std::log(size / count);
  return out;
}

// E[I] over all labellings of these sizes: hypergeometric cell by cell.
double expected_information(const std::map<int64_t, double>& a, const std::map<int64_t, double>& b, double n) {
  const auto log_factorial = [](double k) { return std::lgamma(k + 1); };
  double out = 0;
  for (const auto& [label_a, x] : a) {
    for (const auto& [label_b, y] : b) {
      for (double k = std::max(1.0, x + y - n); k <= std::min(x, y); ++k) {
        const double log_p = log_factorial(x) + log_factorial(y) + log_factorial(n - x) + log_factorial(n - y) -
                             log_factorial(n) - log_factorial(k) - log_factorial(x - k) - log_factorial(y - k) -
                             log_factorial(n - x - y + k);
        out += k / n * std::log(n * k / (x * y)) * std::exp(log_p);
      }
    }
  }
  return out;
}

std::vector<double> mean_ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t i, size_t j) { return values[i] < values[j]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = static_cast<double>(begin + end - 1) / 2;
    begin = end;
  }
  return ranks;
}

}  // namespace

KMeans k_means(const at::Tensor& x_ND, int64_t clusters, const KMeansOptions& options) {
  require(x_ND.dim() == 2 && clusters >= 1 && clusters <= x_ND.size(0), "k_means",
          "expected vectors [N, D] and 1 to N ", "clusters but got ", shape_text(x_ND.sizes()), " and ", clusters);
  require(options.restarts >= 1 && options.most_steps >= 1, "k_means", "expected at least one start and one step");
  const at::NoGradGuard no_grad;
  // About the mean, so that the expanded square loses no digits.
  at::Tensor wide_ND = x_ND.to(at::kCPU, at::kDouble);
  wide_ND = wide_ND - wide_ND.mean(0, true);
  KMeans best;
  best.distortion = std::numeric_limits<double>::infinity();
  for (int64_t start = 0; start < options.restarts; ++start) {
    Rng rng(options.seed, static_cast<uint64_t>(start));
    at::Tensor centre_CD = plus_plus(wide_ND, clusters, rng), last_N;
    for (int64_t step = 0; step < options.most_steps; ++step) {
      Assigned now = assign(wide_ND, centre_CD);
      centre_CD = centres(wide_ND, now.label_N, now.near_N, clusters);
      if (last_N.defined() && last_N.equal(now.label_N)) break;
      last_N = now.label_N;
    }
    const at::Tensor plain_N = last_N.contiguous();
    const std::vector<int64_t> labels(plain_N.const_data_ptr<int64_t>(),
                                      plain_N.const_data_ptr<int64_t>() + plain_N.numel());
    const double found = distortion(wide_ND, labels);
    if (found < best.distortion) best = {labels, found};
  }
  return best;
}

double distortion(const at::Tensor& x_ND, std::span<const int64_t> labels) {
  require(x_ND.dim() == 2 && x_ND.size(0) == std::ssize(labels) && !labels.empty(), "distortion",
          "expected vectors [N, D] and N labels but got ", shape_text(x_ND.sizes()), " and ", labels.size());
  const at::Tensor wide_ND = x_ND.to(at::kCPU, at::kDouble);
  std::map<int64_t, std::vector<int64_t>> members;
  for (int64_t n = 0; n < std::ssize(labels); ++n) members[labels[n]].push_back(n);
  double sum = 0;
  for (const auto& [label, items] : members) {
    const at::Tensor own_ND = wide_ND.index_select(0, at::tensor(items, at::kLong));
    sum += (own_ND - own_ND.mean(0, true)).square().sum().item<double>();
  }
  return sum / static_cast<double>(labels.size());
}

double cluster_information(std::span<const int64_t> labels) {
  require(!labels.empty(), "cluster_information", "expected at least one item");
  const double count = static_cast<double>(labels.size());
  double out = std::log2(count);
  for (const auto& [label, size] : sizes_of(labels)) out -= size / count * std::log2(size);
  return out;
}

double adjusted_mutual_information(std::span<const int64_t> a, std::span<const int64_t> b) {
  require(a.size() == b.size() && !a.empty(), "adjusted_mutual_information", "expected two labels an item but got ",
          a.size(), " and ", b.size());
  const double count = static_cast<double>(a.size());
  const auto sizes_a = sizes_of(a), sizes_b = sizes_of(b);
  std::map<std::pair<int64_t, int64_t>, double> cells;
  for (size_t i = 0; i < a.size(); ++i) ++cells[{a[i], b[i]}];
  // The same partition, also where chance alone gives all there is (one cluster, or one item a cluster).
  if (cells.size() == sizes_a.size() && cells.size() == sizes_b.size()) return 1;
  double information = 0;
  for (const auto& [cell, size] : cells) {
    information += size / count * std::log(size * count / (sizes_a.at(cell.first) * sizes_b.at(cell.second)));
  }
  const double expected = expected_information(sizes_a, sizes_b, count);
  const double most = (entropy_nats(sizes_a, count) + entropy_nats(sizes_b, count)) / 2;
  // Another one differs from chance's best by far more than rounding.
  return (information - expected) / (most - expected);
}

double spearman(std::span<const double> a, std::span<const double> b) {
  require(a.size() == b.size() && a.size() >= 2, "spearman",
          "expected two lists of the same length, at least 2, but got ", a.size(), " and ", b.size());
  const std::vector<double> x = mean_ranks(a), y = mean_ranks(b);
  const double mean = (static_cast<double>(a.size()) - 1) / 2;
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean) * (x[i] - mean), yy += (y[i] - mean) * (y[i] - mean), xy += (x[i] - mean) * (y[i] - mean);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace tacit::probe
