#include "eval/probe/frontier.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>
#include <map>

#include "datasets/graph.h"
#include "lib/core/error.h"

namespace tacit::probe {
namespace {

constexpr const char* kChance = "chance";

std::vector<double> softmax(std::span<const double> logits_V) {
  const double largest = *std::ranges::max_element(logits_V);
  std::vector<double> share_V;
  double all = 0;
  for (const double logit : logits_V) all += share_V.emplace_back(std::exp(logit - largest));
  for (double& share : share_V) share /= all;
  return share_V;
}

double mass_of(std::span<const double> share_V, std::span<const int64_t> ids) {
  double sum = 0;
  for (const int64_t id : ids) sum += share_V[id];
  return sum;
}

}  // namespace

FrontierScore frontier_score(std::span<const double> logits_V, std::span<const int64_t> set,
                             std::span<const int64_t> others) {
  require(!set.empty() && !others.empty(), "frontier_score", "expected nodes in the set and others but got ",
          set.size(), " and ", others.size());
  for (const auto ids : {set, others}) {
    for (const int64_t id : ids) {
      require(id >= 0 && id < std::ssize(logits_V), "frontier_score", "expected token ids below ", logits_V.size(),
              " but got ", id);
    }
  }
  const std::vector<double> share_V = softmax(logits_V);
  const double inside = mass_of(share_V, set), outside = mass_of(share_V, others);
  double wins = 0;
  for (const int64_t a : set) {
    for (const int64_t b : others) wins += logits_V[a] > logits_V[b] ? 1 : (logits_V[a] == logits_V[b] ? .5 : 0);
  }
  const double sizes = static_cast<double>(set.size()), rest = static_cast<double>(others.size());
  return {inside, inside / (inside + outside), sizes / (sizes + rest), wins / (sizes * rest)};
}

namespace {

// A problem's nodes as tokens, by distance from the root; unreachable ones apart.
struct Nodes {
  std::vector<std::vector<int64_t>> at;  // [0] = the root
  std::vector<int64_t> unreachable;
  int64_t depth = 0;  // of the target
};

Nodes nodes_of(const Example& example, const Tokenizer& tokenizer) {
  require(example.meta.is_object() && example.meta.contains("graph") && example.meta.contains("labels"),
          "probe_frontier", "expected a task whose examples carry a graph (reach, prosqa) but example '", example.id,
          "' has none");
  const GraphProblem graph = graph_from_json(Json(example.meta.at("graph")), "probe_frontier", example.id);
  const std::vector<int64_t> distance = distances(graph);
  Nodes out;
  out.depth = distance[graph.target];
  out.at.resize(*std::ranges::max_element(distance) + 1);
  for (int64_t node = 0; node < graph.nodes; ++node) {
    const auto word = example.meta.at("labels").at(node).get<std::string>();
    const auto ids = tokenizer.encode(word);
    require(ids.size() == 1, "probe_frontier", "expected nodes of one token each but '", word, "' has ", ids.size());
    (distance[node] < 0 ? out.unreachable : out.at[distance[node]]).push_back(ids[0]);
  }
  return out;
}

struct Split {
  std::vector<int64_t> set, others;
};
// Nodes at distance `steps`, or within it, and all other nodes of the graph.
Split split(const Nodes& nodes, int64_t steps, bool explored) {
  Split out;
  for (int64_t d = 0; d < std::ssize(nodes.at); ++d) {
    auto& to = (explored ? d <= steps : d == steps) ? out.set : out.others;
    to.insert(to.end(), nodes.at[d].begin(), nodes.at[d].end());
  }
  out.others.insert(out.others.end(), nodes.unreachable.begin(), nodes.unreachable.end());
  return out;
}

// What is gathered of one thinker: by thought, and by the target's depth.
struct Gathered {
  std::vector<double> auc, share, mass, chance;
  void add(const FrontierScore& s) {
    auc.push_back(s.auc), share.push_back(s.share), mass.push_back(s.mass), chance.push_back(s.chance);
  }
  OrderedJson json() const {
    return {{"auc", to_json(estimate(auc))},
            {"share", to_json(estimate(share))},
            {"share_chance", estimate(chance).mean},
            {"mass", to_json(estimate(mass))}};
  }
};

struct Tables {
  std::map<int64_t, Gathered> by_thought, by_depth;
  std::map<int64_t, std::map<int64_t, std::vector<double>>> mass_at;  // thought, distance (-1 = unreachable)
};

void gather(Tables& level, Tables& explored, const Nodes& nodes, int64_t thought, std::span<const double> logits_V) {
  for (const bool whole : {false, true}) {
    const Split s = split(nodes, thought, whole);
    if (s.set.empty() || s.others.empty()) continue;  // the search ended before, or has seen everything
    const FrontierScore found = frontier_score(logits_V, s.set, s.others);
    Tables& to = whole ? explored : level;
    to.by_thought[thought].add(found);
    if (thought <= nodes.depth) to.by_depth[nodes.depth].add(found);
  }
  const std::vector<double> share_V = softmax(logits_V);
  for (int64_t d = 0; d < std::ssize(nodes.at); ++d) level.mass_at[thought][d].push_back(mass_of(share_V, nodes.at[d]));
  level.mass_at[thought][-1].push_back(mass_of(share_V, nodes.unreachable));
}

OrderedJson tables_json(const Tables& tables) {
  OrderedJson by_thought = OrderedJson::array(), by_depth = OrderedJson::array();
  for (const auto& [k, gathered] : tables.by_thought) {
    OrderedJson one = {{"thought", k}};
    one.update(gathered.json());
    by_thought.push_back(one);
  }
  for (const auto& [depth, gathered] : tables.by_depth) {
    OrderedJson one = {{"depth", depth}};
    one.update(gathered.json());
    by_depth.push_back(one);
  }
  return {{"by_thought", by_thought}, {"by_depth", by_depth}};
}

OrderedJson masses_json(const Tables& tables) {
  OrderedJson out = OrderedJson::array();
  for (const auto& [thought, by_distance] : tables.mass_at) {
    OrderedJson row = {{"thought", thought}};
    for (const auto& [distance, masses] : by_distance)
      row[distance < 0 ? "unreachable" : std::to_string(distance)] = estimate(masses).mean;
    out.push_back(row);
  }
  return out;
}

// "AUC of thought 6: ..", where points of the chart have no interval: of one problem alone, or of several that are all
// alike.
std::vector<std::string> without_interval(const std::vector<Chart>& charts) {
  std::vector<std::string> notes;
  for (const Chart& chart : charts) {
    std::string single, alike;
    for (const std::string& place : places_of(chart)) {
      bool one = false, same = false;
      for (const ChartSeries& series : chart.series) {
        if (series.name == kChance) continue;  // was not averaged
        for (const ChartPoint& point : series.points) {
          if (point.x != place || point.y.high > point.y.low) continue;
          (point.y.count == 1 ? one : same) = true;
        }
      }
      if (one) single += (single.empty() ? "" : ", ") + place;
      if (same) alike += (alike.empty() ? "" : ", ") + place;
    }
    if (!single.empty())
      notes.push_back(chart.y_label + " of " + chart.x_label + " " + single + ": of a single problem, so no interval");
    if (!alike.empty())
      notes.push_back(chart.y_label + " of " + chart.x_label + " " + alike +
                      ": no interval where all problems give the same number");
  }
  return notes;
}

}  // namespace

ProbeReport probe_frontier(const LoadedModel& model, const RunOptions& run) {
  const at::NoGradGuard no_grad;
  const ProbeSet set = probe_set(model, run);
  std::vector<Nodes> nodes;
  for (const Example& example : set.examples) nodes.push_back(nodes_of(example, *set.tokenizer));
  const bool explored = model.settings.frontier == "explored";
  const std::string held = explored ? "within k edges" : "k edges away";
  ProbeReport out{.name = "frontier"};
  out.json = {{"probe", "frontier"}, {"problems", set.size()}, {"trained_on", model.settings.frontier}};
  Chart auc{"auc", "Nodes " + held + " of the root against other nodes, in thought k", "thought", "AUC"};
  auc.chance = .5, auc.least = 0, auc.most = 1;
  Chart level{"level-share", "Share of the nodes' mass on nodes k edges away", "thought", "share"};
  level.least = 0, level.most = 1;
  OrderedJson all = OrderedJson::array();
  for (const Thinker& thinker : thinkers(model, run, {Control::noise, Control::pause, Control::random_weights})) {
    const Seen seen = think_all(thinker, set);
    Tables tables_level, tables_explored;
    for (int64_t i = 0; i < set.size(); ++i) {
      const at::Tensor& thoughts_KD = seen.thoughts_KD[i];
      if (thoughts_KD.size(0) == 0) continue;
      const at::Tensor logits_KV =
          thinker.model->logits(thoughts_KD.to(thinker.model->device(), thinker.model->dtype()))
              .to(at::kCPU, at::kDouble)
              .contiguous();
      const auto vocab = static_cast<size_t>(logits_KV.size(1));
      for (int64_t k = 0; k < logits_KV.size(0); ++k) {
        gather(tables_level, tables_explored, nodes[i], k + 1,
               {logits_KV.const_data_ptr<double>() + static_cast<size_t>(k) * vocab, vocab});
      }
    }
    all.push_back({{"name", thinker.name},
                   {"what", thinker.what},
                   {"accuracy", to_json(estimate_share(seen.correct))},
                   {"level", tables_json(tables_level)},
                   {"explored", tables_json(tables_explored)},
                   {"mass_by_distance", masses_json(tables_level)}});
    auc.series.push_back({thinker.name, {}});
    level.series.push_back({thinker.name, {}});
    for (const auto& [k, gathered] : (explored ? tables_explored : tables_level).by_thought)
      auc.series.back().points.push_back({std::to_string(k), estimate(gathered.auc)});
    ChartSeries chance{kChance, {}};
    for (const auto& [k, gathered] : tables_level.by_thought) {
      level.series.back().points.push_back({std::to_string(k), estimate(gathered.share)});
      chance.points.push_back({std::to_string(k), exact(estimate(gathered.chance).mean)});
    }
    if (thinker.name == "random weights") level.series.push_back(chance);
  }
  require(!auc.series[0].points.empty(), "probe_frontier", "expected a method that takes thoughts but got '",
          procedure_of(model, run).method, "' with none");
  out.json["thinkers"] = all;
  out.charts = {auc, level};
  if (model.model->config().tied_embeddings) {
    out.notes.push_back(
        "embeddings are tied: this probe is the logit lens, so a thought trained by its readout passes by "
        "construction");
  }
  for (std::string& note : fewer_problems(auc, set.size())) out.notes.push_back(std::move(note));
  for (std::string& note : without_interval(out.charts)) out.notes.push_back(std::move(note));
  out.notes.push_back("thought 1 of noise and pause is the model's own: nothing had been replaced before it");
  return out;
}

}  // namespace tacit::probe
