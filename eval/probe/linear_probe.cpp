#include "eval/probe/linear_probe.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "eval/probe/picked.h"
#include "lib/core/error.h"

namespace tacit::probe {
namespace {

at::Tensor one_hot(const std::vector<int64_t>& labels, int64_t classes) {
  at::Tensor y_NC = at::zeros({std::ssize(labels), classes}, at::kDouble);
  for (int64_t n = 0; n < std::ssize(labels); ++n) y_NC[n][labels[n]] = 1;
  return y_NC;
}

struct Fit {
  at::Tensor mean_D, deviation_D, weight_DC, bias_C;
  at::Tensor operator()(const at::Tensor& x_ND) const {
    return ((x_ND - mean_D) / deviation_D).matmul(weight_DC) + bias_C;
  }
};

Fit fit(const at::Tensor& x_ND, const at::Tensor& y_NC, double ridge) {
  const double count = static_cast<double>(x_ND.size(0));
  Fit out;
  out.mean_D = x_ND.mean(0);
  out.deviation_D = x_ND.std(0, /*unbiased=*/false);
  // A feature that never varies says nothing; dividing by 1 leaves it at 0.
  out.deviation_D =
      at::where(out.deviation_D > 1e-12 * (1 + out.mean_D.abs()), out.deviation_D, at::ones_like(out.deviation_D));
  const at::Tensor z_ND = (x_ND - out.mean_D) / out.deviation_D;
  out.bias_C = y_NC.mean(0);
  const at::Tensor a_DD = z_ND.t().matmul(z_ND) / count + ridge * at::eye(x_ND.size(1), at::kDouble);
  out.weight_DC = at::linalg_solve(a_DD, z_ND.t().matmul(y_NC - out.bias_C) / count);
  return out;
}

std::vector<double> hits_of(const at::Tensor& scores_NC, const std::vector<int64_t>& labels) {
  const at::Tensor chosen_N = scores_NC.argmax(1).contiguous();
  std::vector<double> out;
  for (int64_t n = 0; n < chosen_N.size(0); ++n)
    out.push_back(chosen_N.const_data_ptr<int64_t>()[n] == labels[n] ? 1 : 0);
  return out;
}

}  // namespace

LinearProbe linear_probe(const at::Tensor& x_ND, const std::vector<int64_t>& labels,
                         const LinearProbeOptions& options) {
  const int64_t count = std::ssize(labels);
  require(x_ND.dim() == 2 && x_ND.size(0) == count, "linear_probe", "expected vectors [N, D] and N labels but got ",
          shape_text(x_ND.sizes()), " and ", count);
  require(count >= 10, "linear_probe", "expected at least 10 items but got ", count);
  require(options.ridge > 0 && options.test_share > 0 && options.test_share < 1, "linear_probe",
          "expected a ridge above 0 and a share of test items between 0 and 1");
  require(*std::ranges::min_element(labels) >= 0, "linear_probe", "expected labels of at least 0");
  const at::NoGradGuard no_grad;
  const at::Tensor wide_ND = x_ND.to(at::kCPU, at::kDouble);
  Rng rng(options.seed);
  const std::vector<int64_t> order = rng.permutation(count);
  const int64_t tests =
      std::clamp<int64_t>(std::llround(options.test_share * static_cast<double>(count)), 1, count - 1);
  LinearProbe out;
  out.test = {order.begin(), order.begin() + tests};
  const std::vector<int64_t> train(order.begin() + tests, order.end());
  const int64_t columns = *std::ranges::max_element(labels) + 1;
  std::vector<int64_t> train_labels = picked(labels, train);
  const std::vector<int64_t> test_labels = picked(labels, out.test);
  const at::Tensor train_ND = wide_ND.index_select(0, at::tensor(train, at::kLong));
  const at::Tensor test_ND = wide_ND.index_select(0, at::tensor(out.test, at::kLong));
  out.classes = std::ssize(std::set<int64_t>(labels.begin(), labels.end()));
  out.scores_NC = fit(train_ND, one_hot(train_labels, columns), options.ridge)(test_ND);
  out.hits = hits_of(out.scores_NC, test_labels);
  std::map<int64_t, int64_t> often;
  for (const int64_t label : train_labels) ++often[label];
  const int64_t commonest =
      std::ranges::max_element(often, [](const auto& a, const auto& b) { return a.second < b.second; })->first;
  out.majority =
      static_cast<double>(std::ranges::count(test_labels, commonest)) / static_cast<double>(test_labels.size());
  rng.shuffle(train_labels);
  out.permuted = hits_of(fit(train_ND, one_hot(train_labels, columns), options.ridge)(test_ND), test_labels);
  return out;
}

namespace {

// By problem: the value of a property as a label; -1 = it has none at this thought.
using Property = std::function<int64_t(const Example& example, int64_t k)>;

int64_t token_of(const Tokenizer& tokenizer, const std::string& word) {
  const auto ids = tokenizer.encode(word);
  require(ids.size() == 1, "probe_goal", "expected nodes of one token each but '", word, "' has ", ids.size());
  return ids[0];
}

// The node that stands at the end of step k of the reference path: its last word, without the full stop.
int64_t path_node(const Example& example, const Tokenizer& tokenizer, int64_t k) {
  if (k >= std::ssize(example.steps)) return -1;
  std::string word = example.steps[k].substr(example.steps[k].find_last_of(' ') + 1);
  if (word.ends_with('.')) word.pop_back();
  return token_of(tokenizer, word);
}

std::string target_word(const Example& example) {
  const int64_t node = example.meta.at("graph").at("target").get<int64_t>();
  return example.meta.at("labels").at(node).get<std::string>();
}

std::vector<std::pair<std::string, Property>> properties(const Tokenizer& tokenizer) {
  return {
      {"target", [&](const Example& e, int64_t) { return token_of(tokenizer, target_word(e)); }},
      {"root", [&](const Example& e, int64_t) { return token_of(tokenizer, e.meta.at("root").get<std::string>()); }},
      {"distance", [](const Example& e, int64_t) { return e.meta.at("depth").get<int64_t>(); }},
      {"next node", [&](const Example& e, int64_t k) { return path_node(e, tokenizer, k); }},
  };
}

// Among the two candidates alone: whether the target's column is the larger.
std::vector<double> choices(const LinearProbe& probe, const std::vector<int64_t>& problems, const ProbeSet& set) {
  std::vector<double> out;
  for (int64_t n = 0; n < std::ssize(probe.test); ++n) {
    const Example& example = set.examples[problems[probe.test[n]]];
    const std::string target = target_word(example);
    double own = 0, other = 0;
    for (const auto& candidate : example.meta.at("candidates")) {
      const auto word = candidate.get<std::string>();
      const int64_t token = token_of(*set.tokenizer, word);
      // A label that no item has is a column that was never trained.
      const double score = token < probe.scores_NC.size(1) ? probe.scores_NC[n][token].item<double>() : 0;
      (word == target ? own : other) = score;
    }
    out.push_back(own > other ? 1 : (own == other ? .5 : 0));
  }
  return out;
}

// Trained and tested on fewer a probe would say nothing.
constexpr int64_t kLeastProblems = 40;

void require_enough(int64_t problems, const char* what) {
  require(problems >= kLeastProblems, "probe_goal", "expected at least ", kLeastProblems, " problems", what,
          ", to train and test a linear probe on, but got ", problems);
}

struct Step {
  Estimate accuracy, permuted, choice;
  double majority = 0;
  int64_t classes = 0;
};

int64_t thinking(const Seen& seen) {
  return std::ranges::count_if(seen.thoughts_KD, [](const at::Tensor& thoughts_KD) { return thoughts_KD.size(0) > 0; });
}

std::optional<Step> probe_step(const Seen& seen, const ProbeSet& set, int64_t k, const std::string& name,
                               const Property& property, const LinearProbeOptions& options) {
  std::vector<int64_t> which, problems, rows, labels;
  const at::Tensor x_ND = thoughts_at(seen, k, which);
  for (int64_t n = 0; n < std::ssize(which); ++n) {
    const int64_t label = property(set.examples[which[n]], k);
    if (label < 0) continue;
    rows.push_back(n), problems.push_back(which[n]), labels.push_back(label);
  }
  if (std::ssize(rows) < kLeastProblems) return {};  // of the longest paths there are few
  const LinearProbe found = linear_probe(x_ND.index_select(0, at::tensor(rows, at::kLong)), labels, options);
  Step out{estimate_share(found.hits), estimate_share(found.permuted), {}, found.majority, found.classes};
  if (name == "target") out.choice = estimate(choices(found, problems, set));
  return out;
}

}  // namespace

ProbeReport probe_goal(const LoadedModel& model, const RunOptions& run, const LinearProbeOptions& options) {
  const at::NoGradGuard no_grad;
  require(options.ridge > 0 && options.test_share > 0 && options.test_share < 1, "probe_goal",
          "expected a ridge above 0 and a share of test items between 0 and 1 but got ", options.ridge, " and ",
          options.test_share);
  const ProbeSet set = probe_set(model, run);
  require_enough(set.size(), "");
  for (const Example& example : set.examples) {
    require(example.meta.is_object() && example.meta.contains("graph"), "probe_goal",
            "expected a task whose examples carry a graph (reach, prosqa) but example '", example.id, "' has none");
  }
  ProbeReport out{.name = "goal"};
  out.json = {
      {"probe", "goal"}, {"problems", set.size()}, {"ridge", options.ridge}, {"test_share", options.test_share}};
  std::vector<Chart> charts;
  for (const auto& [name, property] : properties(*set.tokenizer)) {
    std::string file = name;
    std::ranges::replace(file, ' ', '-');
    charts.push_back({file, "Linear probe of thought k: " + name, "thought", "accuracy on held-out problems"});
    charts.back().least = 0, charts.back().most = 1;
  }
  charts.push_back({"choice", "The target's probe, between the two candidates", "thought", "accuracy"});
  charts.back().chance = .5, charts.back().least = 0, charts.back().most = 1;
  OrderedJson all = OrderedJson::array();
  for (const Thinker& thinker : thinkers(model, run, {Control::noise, Control::pause, Control::random_weights})) {
    const Seen seen = think_all(thinker, set);
    require(most_thoughts(seen) > 0, "probe_goal", "expected a method that takes thoughts but got '",
            thinker.procedure.method, "' with none");
    if (all.empty()) require_enough(thinking(seen), " with a thought");
    OrderedJson found = OrderedJson::object();
    size_t at = 0;
    charts.back().series.push_back({thinker.name, {}});
    for (const auto& [name, property] : properties(*set.tokenizer)) {
      Chart& chart = charts[at++];
      ChartSeries own{thinker.name, {}}, shuffled{"shuffled labels", {}};
      OrderedJson steps = OrderedJson::array();
      for (int64_t k = 0; k < most_thoughts(seen); ++k) {
        const auto step = probe_step(seen, set, k, name, property, options);
        if (!step) continue;
        const std::string x = std::to_string(k + 1);
        own.points.push_back({x, step->accuracy});
        shuffled.points.push_back({x, step->permuted});
        OrderedJson one = {{"thought", k + 1},
                           {"accuracy", to_json(step->accuracy)},
                           {"shuffled_labels", to_json(step->permuted)},
                           {"majority", step->majority},
                           {"classes", step->classes}};
        if (step->choice.count > 0) {
          one["choice"] = to_json(step->choice);
          charts.back().series.back().points.push_back({x, step->choice});
        }
        steps.push_back(one);
      }
      if (!own.points.empty()) chart.series.push_back(own);
      if (thinker.name == "random weights" && !shuffled.points.empty()) chart.series.push_back(shuffled);
      found[name] = steps;
    }
    all.push_back({{"name", thinker.name},
                   {"what", thinker.what},
                   {"accuracy", to_json(estimate_share(seen.correct))},
                   {"properties", found}});
  }
  out.json["thinkers"] = all;
  out.charts = std::move(charts);
  out.notes = {
      "a linear probe finds what can be read off, not what the model uses; random weights say what any mixture "
      "of the question holds"};
  return out;
}

}  // namespace tacit::probe
