#include "eval/probe/separability.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "eval/probe/jackknife.h"
#include "eval/probe/picked.h"
#include "eval/statistics.h"
#include "lib/core/error.h"

namespace tacit::probe {
namespace {

std::map<int64_t, std::vector<int64_t>> members_of(const std::vector<int64_t>& labels) {
  std::map<int64_t, std::vector<int64_t>> out;
  for (int64_t n = 0; n < std::ssize(labels); ++n) out[labels[n]].push_back(n);
  std::erase_if(out, [](const auto& entry) { return entry.second.size() < 2; });
  return out;
}

}  // namespace

Separation separation(const at::Tensor& x_ND, const std::vector<int64_t>& labels) {
  require(x_ND.dim() == 2 && x_ND.size(0) == std::ssize(labels), "separation",
          "expected vectors [N, D] and N labels but got ", shape_text(x_ND.sizes()), " and ", labels.size());
  const auto members = members_of(labels);
  require(members.size() >= 2, "separation", "expected at least two classes of two items or more but got ",
          members.size());
  const at::NoGradGuard no_grad;
  const at::Tensor wide_ND = x_ND.to(at::kCPU, at::kDouble);
  std::vector<at::Tensor> spread, means;
  std::vector<double> sizes;
  Separation out;
  for (const auto& [label, items] : members) {
    const at::Tensor class_ND = wide_ND.index_select(0, at::tensor(items, at::kLong));
    means.push_back(class_ND.mean(0));
    spread.push_back(class_ND - means.back());
    sizes.push_back(static_cast<double>(items.size()));
    out.items += std::ssize(items);
  }
  out.classes = std::ssize(members);
  const double count = static_cast<double>(out.items);
  const at::Tensor w_ND = at::cat(spread), weight_K = at::tensor(sizes, at::kDouble) / count;
  at::Tensor b_KD = at::stack(means);
  b_KD = b_KD - weight_K.matmul(b_KD);
  out.within = w_ND.square().sum().item<double>() / count;
  out.between = weight_K.matmul(b_KD.square().sum(1)).item<double>();
  // S_B = A^T A with rows sqrt(N_c / N) (mean_c - mean); its eigenvectors are A's right singular vectors, so no D x D
  // matrix is inverted: Tr(S_W S_B^+) = sum_j |W v_j|^2 / (N s_j^2).
  const at::Tensor a_KD = weight_K.sqrt().unsqueeze(1) * b_KD;
  const auto [u, s_J, v_JD] = at::linalg_svd(a_KD, /*full_matrices=*/false);
  const double largest = s_J[0].item<double>(),
               scale = w_ND.abs().max().item<double>() + wide_ND.abs().max().item<double>();
  if (largest <= 1e-12 * std::max(scale, 1e-300)) {
    out.d = out.nc1 = std::numeric_limits<double>::infinity();
    return out;
  }
  const at::Tensor along_J = w_ND.matmul(v_JD.t()).square().sum(0) / count;
  for (int64_t j = 0; j < s_J.size(0); ++j) {
    const double s = s_J[j].item<double>();
    // fp32 states: what lies below their rounding is no direction.
    if (s > 1e-6 * largest) out.d += along_J[j].item<double>() / (s * s);
  }
  out.nc1 = out.d / static_cast<double>(out.classes);
  return out;
}

LogLinear log_linear(std::span<const double> d_by_layer) {
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0;
  for (size_t l = 0; l < d_by_layer.size(); ++l) {
    if (!(d_by_layer[l] > 0) || !std::isfinite(d_by_layer[l])) continue;
    const double x = static_cast<double>(l), y = std::log(d_by_layer[l]);
    n += 1, sx += x, sy += y, sxx += x * x, sxy += x * y, syy += y * y;
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  if (n < 2) return {nan, nan};
  const double vx = sxx - sx * sx / n, vy = syy - sy * sy / n, c = sxy - sx * sy / n;
  return {std::exp(c / vx), n < 3 || vy <= 0 ? nan : c / std::sqrt(vx * vy)};
}

namespace {

// On the logarithm, for d is a ratio.
Estimate d_interval(double value, const at::Tensor& x_ND, const std::vector<int64_t>& labels) {
  const Estimate log = jackknife(std::log(value), std::ssize(labels), [&](const std::vector<int64_t>& kept) {
    const std::vector<int64_t> own = picked(labels, kept);
    if (members_of(own).size() < 2) return std::nan("");
    return std::log(separation(x_ND.index_select(0, at::tensor(kept, at::kLong)), own).d);
  });
  return {value, std::exp(log.low), std::exp(log.high), log.count};
}

// What shuffled labels give, and how often they separate as well: p = (1 + how many) / (1 + shuffles).
struct Null {
  double median = 0, low = 0, p = 1;
};
Null permutation_null(double value, const at::Tensor& x_ND, std::vector<int64_t> labels, int64_t permutations) {
  Rng rng(1);
  std::vector<double> values;
  int64_t as_low = 0;
  for (int64_t i = 0; i < permutations; ++i) {
    rng.shuffle(labels);
    values.push_back(separation(x_ND, labels).d);
    as_low += values.back() <= value;
  }
  if (values.empty()) return {};
  return {quantile(values, .5), quantile(values, .025),
          (1 + static_cast<double>(as_low)) / (1 + static_cast<double>(permutations))};
}

OrderedJson finite(double value) { return std::isfinite(value) ? OrderedJson(value) : OrderedJson(nullptr); }

std::vector<int64_t> labels_of(const ProbeSet& set, bool next_node) {
  std::map<std::string, int64_t> known;
  std::vector<int64_t> out;
  for (const Example& example : set.examples) {
    require(!next_node || !example.steps.empty(), "probe_separability", "expected examples with a reference path but '",
            example.id, "' has none");
    out.push_back(known.try_emplace(next_node ? example.steps[0] : example.answer, std::ssize(known)).first->second);
  }
  return out;
}

}  // namespace

ProbeReport probe_separability(const LoadedModel& model, const RunOptions& run, const SeparabilityOptions& options) {
  const at::NoGradGuard no_grad;
  const ProbeSet set = probe_set(model, run);
  const std::vector<int64_t> labels = labels_of(set, options.next_node);
  const std::string what = options.next_node ? "first node of the path" : "answer";
  ProbeReport out{.name = "separability"};
  out.json = {{"probe", "separability"}, {"problems", set.size()}, {"classes", what}};
  Chart d{"d", "log10 Tr(S_W S_B^+) by layer, classes: " + what, "layer", "log10 D"};
  Chart ratio{"between-share", "Between-class share of the spread, classes: " + what, "layer",
              "between / (between + within)"};
  ratio.least = 0, ratio.most = 1;
  OrderedJson all = OrderedJson::array();
  const auto log10_of = [](const Estimate& e) {
    return Estimate{std::log10(e.mean), std::log10(e.low), std::log10(e.high), e.count};
  };
  for (const Thinker& thinker :
       thinkers(model, run, {Control::noise, Control::pause, Control::none, Control::random_weights})) {
    const std::vector<at::Tensor> layers_ND = layers_before_answer(thinker, set);
    d.series.push_back({thinker.name, {}});
    ratio.series.push_back({thinker.name, {}});
    ChartSeries null{"shuffled labels", {}};
    OrderedJson layers = OrderedJson::array();
    std::vector<double> by_block;
    for (size_t l = 0; l < layers_ND.size(); ++l) {
      const std::string x = l + 1 == layers_ND.size() ? "norm" : std::to_string(l + 1);
      const Separation s = separation(layers_ND[l], labels);
      const Estimate e = d_interval(s.d, layers_ND[l], labels);
      const Null chance = permutation_null(s.d, layers_ND[l], labels, options.permutations);
      if (x != "norm") by_block.push_back(s.d);
      if (std::isfinite(s.d)) d.series.back().points.push_back({x, log10_of(e)});
      if (std::isfinite(chance.median)) null.points.push_back({x, exact(std::log10(chance.median))});
      const double spread = s.between + s.within;
      ratio.series.back().points.push_back({x, exact(spread > 0 ? s.between / spread : 0, s.items)});
      layers.push_back(
          {{"layer", x},
           {"d", {{"mean", finite(e.mean)}, {"low", finite(e.low)}, {"high", finite(e.high)}, {"count", s.items}}},
           {"nc1", finite(s.nc1)},
           {"within", s.within},
           {"between", s.between},
           {"classes", s.classes},
           {"shuffled_median", finite(chance.median)},
           {"shuffled_2.5%", finite(chance.low)},
           {"p", chance.p}});
    }
    if (thinker.name == "thoughts" || thinker.name == "words") d.series.push_back(null);
    const LogLinear line = log_linear(by_block);
    all.push_back({{"name", thinker.name},
                   {"what", thinker.what},
                   {"layers", layers},
                   {"log_linear", {{"ratio", finite(line.ratio)}, {"r", finite(line.r)}}}});
  }
  out.json["thinkers"] = all;
  out.charts = {d, ratio};
  out.notes = {
      "lower D = better separated; with many classes and few items D is small by chance, so compare with shuffled "
      "labels",
      "the log-linear fit takes the blocks alone, and needs three of them to say how straight the line is"};
  return out;
}

}  // namespace tacit::probe
