#include "eval/probe/noise.h"

#include <ATen/core/grad_mode.h>
#include <cstdio>

#include "lib/core/error.h"

namespace tacit::probe {
namespace {

std::string size_text(double size) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", size);
  return text;
}

}  // namespace

ProbeReport probe_noise(const LoadedModel& model, const RunOptions& run, const NoiseOptions& options) {
  const at::NoGradGuard no_grad;
  require(!options.sizes.empty(), "probe_noise", "expected at least one size of noise");
  const ProbeSet set = probe_set(model, run);
  const Thinker own = own_thinker(model, run);
  require(own.procedure.max_thoughts() > 0, "probe_noise", "expected a method that takes thoughts but got '",
          own.procedure.method, "' with none");
  ProbeReport out{.name = "noise"};
  out.json = {{"probe", "noise"}, {"problems", set.size()}};
  Chart chart{"accuracy", "Accuracy against noise on every thought", "noise / thought", "accuracy"};
  chart.least = 0, chart.most = 1;
  ChartSeries curve{own.name, {}}, none{"no thoughts", {}}, random{"random weights", {}};
  OrderedJson points = OrderedJson::array(), sizes = OrderedJson::array();
  std::vector<std::string> places;
  const auto measure = [&](const std::string& name, const std::optional<Intervention>& what) {
    Thinker thinker = own;
    thinker.intervention = what;
    const Estimate e = estimate_share(think_all(thinker, set).correct);
    curve.points.push_back({name, e});
    points.push_back({{"noise", name}, {"accuracy", to_json(e)}});
  };
  for (const double size : options.sizes) {
    std::optional<Intervention> what;
    if (size > 0) what = Intervention{.kind = InterventionKind::perturb, .size = size, .seed = run.seed};
    measure(size_text(size), what);
  }
  measure("direction lost", Intervention{.kind = InterventionKind::noise, .seed = run.seed});
  out.json["curve"] = points;
  OrderedJson controls = OrderedJson::array();
  for (auto [control, series] : {std::pair(Control::none, &none), std::pair(Control::random_weights, &random)}) {
    const auto thinker = control_thinker(model, run, control);
    if (!thinker) continue;
    const Estimate e = estimate_share(think_all(*thinker, set).correct);
    for (const ChartPoint& point : curve.points) series->points.push_back({point.x, e});
    controls.push_back({{"name", thinker->name}, {"what", thinker->what}, {"accuracy", to_json(e)}});
  }
  out.json["controls"] = controls;
  chart.series = {curve, none, random};
  out.charts = {chart};
  out.notes = {"'direction lost': Gaussian noise in place of each thought, as long as it was"};
  return out;
}

}  // namespace tacit::probe
