#include "eval/probe/dimension.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>

#include "eval/plot/markup.h"
#include "eval/statistics.h"
#include "lib/core/error.h"

namespace tacit::probe {
namespace {

at::Tensor centred(const at::Tensor& x_ND) {
  require(x_ND.dim() == 2 && x_ND.size(0) >= 2, "dimension", "expected vectors [N, D], N at least 2, but got ",
          shape_text(x_ND.sizes()));
  const at::Tensor wide_ND = x_ND.to(at::kCPU, at::kDouble);
  return wide_ND - wide_ND.mean(0, /*keepdim=*/true);
}

// Of centred vectors: the smaller of the two matrices that have the covariance's eigenvalues.
at::Tensor gram(const at::Tensor& c_ND) {
  return c_ND.size(0) < c_ND.size(1) ? c_ND.matmul(c_ND.t()) : c_ND.t().matmul(c_ND);
}

double ratio_of(const at::Tensor& gram) {
  const double trace = gram.trace().item<double>(), squares = gram.square().sum().item<double>();
  return squares > 0 ? trace * trace / squares : 0;
}

at::Tensor rows_of(const at::Tensor& x_ND, const std::vector<int64_t>& rows) {
  return x_ND.index_select(0, at::tensor(rows, at::kLong));
}

// Basic bootstrap, 2 t - quantile: a resample holds fewer distinct vectors than the sample and so spans less, by about
// as much as the sample spans less than all there are.
Estimate with_interval(double value, const at::Tensor& x_ND, int64_t resamples) {
  Rng rng(0);
  std::vector<double> values;
  const int64_t count = x_ND.size(0);
  for (int64_t r = 0; r < resamples; ++r) {
    std::vector<int64_t> rows(count);
    for (int64_t& row : rows) row = rng.below(count);
    values.push_back(participation_ratio(rows_of(x_ND, rows)));
  }
  return {value, std::min(value, 2 * value - quantile(values, .975)),
          std::max(value, 2 * value - quantile(values, .025)), count};
}

}  // namespace

double participation_ratio(const at::Tensor& x_ND) { return ratio_of(gram(centred(x_ND))); }

Dimension dimension(const at::Tensor& x_ND, double share) {
  require(share > 0 && share <= 1, "dimension", "expected a share of variance in (0, 1] but got ", share);
  const at::Tensor g = gram(centred(x_ND));
  Dimension out{ratio_of(g), 0, x_ND.size(0), x_ND.size(1)};
  const at::Tensor values_N = at::linalg_eigvalsh(g).clamp_min(0).flip(0).contiguous();
  const double total = values_N.sum().item<double>();
  if (total <= 0) return out;
  double sum = 0;
  while (sum < share * total * (1 - 1e-12)) sum += values_N.const_data_ptr<double>()[out.components++];
  return out;
}

double isotropic_participation(int64_t samples, int64_t width) {
  const double n = static_cast<double>(samples - 1), d = static_cast<double>(width);
  return (n * d + 2) / (n + d + 1);
}

namespace {

constexpr int64_t kShown = 12;  // a written chain may be long: its end is in the JSON alone

void add(const std::string& name, const std::string& what, const Seen& seen, const DimensionOptions& options,
         Chart& ratio, Chart& components, OrderedJson& all) {
  ratio.series.push_back({name, {}});
  components.series.push_back({name, {}});
  OrderedJson steps = OrderedJson::array();
  for (int64_t k = 0; k < most_thoughts(seen); ++k) {
    std::vector<int64_t> which;
    const at::Tensor x_ND = thoughts_at(seen, k, which);
    if (x_ND.size(0) < 2) break;  // few chains are this long
    const Dimension d = dimension(x_ND, options.share);
    const Estimate e = with_interval(d.participation, x_ND, options.resamples);
    if (k < kShown) ratio.series.back().points.push_back({std::to_string(k + 1), e});
    if (k < kShown)
      components.series.back().points.push_back(
          {std::to_string(k + 1), exact(static_cast<double>(d.components), d.samples)});
    steps.push_back({{"thought", k + 1},
                     {"participation_ratio", to_json(e)},
                     {"components", d.components},
                     {"samples", d.samples},
                     {"isotropic", isotropic_participation(d.samples, d.width)}});
  }
  all.push_back(
      {{"name", name}, {"what", what}, {"accuracy", to_json(estimate_share(seen.correct))}, {"steps", steps}});
}

}  // namespace

namespace {

void require_same_problems(const ProbeSet& own, const ProbeSet& other, const std::string& name) {
  require(own.task->name == other.task->name, "probe_dimension", "expected a checkpoint of the same task, '",
          own.task->name, "', to stand beside but ", name, " is of '", other.task->name, "'");
  bool same = own.size() == other.size();
  for (int64_t i = 0; same && i < own.size(); ++i) same = own.examples[i].question == other.examples[i].question;
  require(same, "probe_dimension", "expected both checkpoints to be asked the same problems but ", name,
          " is asked others: its style, labels or generator differ");
}

}  // namespace

ProbeReport probe_dimension(const LoadedModel& model, const RunOptions& run, const LoadedModel* against,
                            const RunOptions* against_run, const DimensionOptions& options) {
  const at::NoGradGuard no_grad;
  const ProbeSet set = probe_set(model, run);
  require(set.size() >= 2, "probe_dimension",
          "expected at least 2 problems, whose thoughts can lie in different directions, but got ", set.size());
  std::optional<ProbeSet> other_set;
  if (against != nullptr) {
    other_set = probe_set(*against, *against_run);
    require_same_problems(set, *other_set, model_name(against->directory));
  }
  const int64_t width = model.model->config().hidden_size;
  ProbeReport out{.name = "dimension"};
  Chart ratio{"participation", "Effective dimension (participation ratio), width " + std::to_string(width), "thought",
              "dimensions"};
  Chart components{"components",
                   "Components that hold " + std::to_string(std::lround(options.share * 100)) +
                       " % of the variance, width " + std::to_string(width),
                   "thought", "components"};
  ratio.chance = isotropic_participation(set.size(), width);
  ratio.chance_name = "isotropic noise";
  OrderedJson all = OrderedJson::array();
  for (const Thinker& thinker : thinkers(model, run, {Control::noise, Control::pause, Control::random_weights})) {
    add(thinker.name, thinker.what, think_all(thinker, set), options, ratio, components, all);
  }
  if (against != nullptr) {
    const Thinker other = own_thinker(*against, *against_run);
    const std::string name = model_name(against->directory);
    add(name, other.what, think_all(other, *other_set), options, ratio, components, all);
  }
  require(!ratio.series[0].points.empty(), "probe_dimension", "expected a method that takes thoughts but got '",
          procedure_of(model, run).method, "' with none");
  out.json = {{"probe", "dimension"}, {"problems", set.size()}, {"width", width}, {"share", options.share}};
  out.json["thinkers"] = all;
  out.charts = {ratio, components};
  out.notes = {"'isotropic noise' is what as many vectors of noise of this width would have",
               "a sample spans less than what it is drawn from: intervals correct for that and lie above the value"};
  const auto isotropic = [width](int64_t count) {
    return " (isotropic noise " + fixed_text(isotropic_participation(count, width), 1) + ")";
  };
  for (std::string& note : fewer_problems(ratio, set.size(), isotropic)) out.notes.push_back(std::move(note));
  return out;
}

}  // namespace tacit::probe
