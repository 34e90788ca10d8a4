#include "eval/probe/counterfactual.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cctype>

#include "datasets/graph.h"
#include "latent/thinking.h"
#include "lib/core/error.h"

namespace tacit::probe {
namespace {

bool is_name(const std::string& word) { return std::isupper(static_cast<unsigned char>(word[0])) != 0; }

// An edge in the words of the text: "17 3 |", or a sentence [datasets/reach.h].
std::string edge_text(const std::string& from, const std::string& to, bool english) {
  if (!english) return from + " " + to + " |";
  return (is_name(from) ? from : "Every " + from) + " is a " + to + ".";
}

// Where `part` stands in `text` as whole words; npos = nowhere.
size_t find_words(const std::string& text, const std::string& part) {
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) {
    if (at == 0 || text[at - 1] == ' ' || text[at - 1] == '\n') return at;
  }
  return text.npos;
}

struct Change {
  size_t edge;
  int64_t to, depth;
};

// Every way to lead one edge elsewhere that swaps which candidate is reached.
std::vector<Change> changes_of(const GraphProblem& problem, const std::vector<char>& may_be_reached) {
  std::vector<Change> out;
  for (size_t e = 0; e < problem.edges.size(); ++e) {
    const auto [from, old_to] = problem.edges[e];
    for (int64_t to = 0; to < problem.nodes; ++to) {
      if (to == from || to == old_to || !may_be_reached[to]) continue;
      if (std::ranges::find(problem.edges, std::pair(from, to)) != problem.edges.end()) continue;
      GraphProblem changed = problem;
      changed.edges[e].second = to;
      const std::vector<int64_t> distance = distances(changed);
      if (distance[problem.target] < 0 && distance[problem.neg_target] > 0)
        out.push_back({e, to, distance[problem.neg_target]});
    }
  }
  return out;
}

// The frontiers and all else that depends on distances.
void rewrite_meta(Example& example, const GraphProblem& graph, const std::vector<std::string>& words) {
  const std::vector<int64_t> distance = distances(graph);
  std::vector<std::vector<std::string>> levels(*std::ranges::max_element(distance));
  for (int64_t node = 0; node < graph.nodes; ++node) {
    if (distance[node] >= 1) levels[distance[node] - 1].push_back(words[node]);
  }
  example.meta["graph"] = to_json(graph);
  example.meta["depth"] = distance[graph.target];
  example.meta["frontiers"] = levels;
}

}  // namespace

std::optional<Example> edge_counterfactual(const Example& example, uint64_t seed, uint64_t stream) {
  require(example.meta.is_object() && example.meta.contains("graph") && example.meta.contains("labels"),
          "counterfactual", "expected a task whose examples carry a graph (reach, prosqa) but example '", example.id,
          "' has none");
  const GraphProblem graph = graph_from_json(Json(example.meta.at("graph")), "counterfactual", example.id);
  const auto words = example.meta.at("labels").get<std::vector<std::string>>();
  const bool english = example.answer.find(' ') != std::string::npos;
  std::vector<char> may_be_reached(graph.nodes, 1);
  for (int64_t node = 0; english && node < graph.nodes; ++node) may_be_reached[node] = !is_name(words[node]);
  std::vector<Change> changes = changes_of(graph, may_be_reached);
  if (changes.empty()) return {};
  const int64_t depth = distances(graph)[graph.target];
  const auto off = [&](const Change& change) { return std::abs(change.depth - depth); };
  const int64_t nearest = off(*std::ranges::min_element(changes, {}, off));
  std::erase_if(changes, [&](const Change& change) { return off(change) > nearest; });
  Rng rng(seed, stream);
  const Change change = rng.choice(changes);

  const auto [from, old_to] = graph.edges[change.edge];
  const std::string old_text = edge_text(words[from], words[old_to], english);
  Example out = example;
  const size_t at = find_words(out.question, old_text);
  require(at != std::string::npos, "counterfactual", "expected the edge '", old_text, "' in the question of example '",
          example.id, "'");
  out.question.replace(at, old_text.size(), edge_text(words[from], words[change.to], english));
  GraphProblem changed = graph;
  changed.edges[change.edge].second = change.to;
  std::swap(changed.target, changed.neg_target);
  out.id += "/counterfactual";
  out.answer = words[changed.target];
  if (english) out.answer = words[graph.root] + " is a " + words[changed.target] + ".";
  if (english && !is_name(words[graph.root])) out.answer = "Every " + out.answer;
  out.steps.clear();  // a path of the changed graph, told as the task tells it, is not needed to ask the question
  rewrite_meta(out, changed, words);
  return out;
}

Procedure with_thoughts(Procedure procedure, std::vector<at::Tensor> fed_KD) {
  require(!procedure.parallel && procedure.max_thoughts() > 0, "counterfactual",
          "expected a method that takes one thought after the other but got '", procedure.method, "'");
  auto bank = std::make_shared<const std::vector<at::Tensor>>(std::move(fed_KD));
  Feedback fed;
  fed.name = procedure.think.feedback.name + " +fed";
  fed.reads_layers = procedure.think.feedback.reads_layers;
  fed.next = [base = procedure.think.feedback, bank](const StepState& state) {
    NextInput next = proposed(base, state);
    std::vector<at::Tensor> rows;
    for (int64_t b = 0; b < state.rows(); ++b) {
      const at::Tensor& thoughts_KD = bank->at(state.id(b));
      const int64_t k = state.notes(b).thoughts;
      // Past the last, where the halting rule stops, the proposal is looked at by nobody.
      rows.push_back(k < thoughts_KD.size(0) ? thoughts_KD[k].to(next.input_BD.options()) : next.input_BD[b]);
    }
    next.input_BD = at::stack(rows);
    return next;
  };
  procedure.think.feedback = fed;
  std::vector<int64_t> counts;
  for (const at::Tensor& thoughts_KD : *bank) counts.push_back(thoughts_KD.size(0));
  procedure.think.halt = halt::by_id(std::move(counts));
  return procedure;
}

namespace {

// The answers of one thinker to a list of pairs.
struct Answers {
  Seen first, second;
};

struct Rates {
  std::vector<double> follows, stays, neither;
  void add(bool follow, bool stay) {
    follows.push_back(follow), stays.push_back(stay && !follow), neither.push_back(!follow && !stay);
  }
};

OrderedJson rates_json(const Rates& rates, const char* follows, const char* stays) {
  return {{follows, to_json(estimate_share(rates.follows))},
          {stays, to_json(estimate_share(rates.stays))},
          {"neither", to_json(estimate_share(rates.neither))}};
}

struct Pairs {
  ProbeSet first, second;
  int64_t without = 0;     // questions that no single edge turns
  int64_t same_depth = 0;  // pairs whose targets are equally far
};

Pairs pairs_of(const LoadedModel& model, const RunOptions& run) {
  const ProbeSet all = probe_set(model, run);
  Pairs out{all, all};
  for (ProbeSet* set : {&out.first, &out.second}) set->examples.clear(), set->prompts.clear();
  for (int64_t i = 0; i < all.size(); ++i) {
    const auto changed = edge_counterfactual(all.examples[i], run.task_options.seed, static_cast<uint64_t>(i));
    if (!changed) {
      ++out.without;
      continue;
    }
    out.same_depth += changed->meta.at("depth") == all.examples[i].meta.at("depth");
    out.first.examples.push_back(all.examples[i]);
    out.first.prompts.push_back(all.prompts[i]);
    out.second.examples.push_back(*changed);
  }
  require(out.first.size() > 0, "probe_counterfactual", "expected questions that a single edge turns but none of ",
          all.size(), " is one");
  out.second.prompts = probe_prompts(model, run, out.second.examples);
  return out;
}

// Of pairs whose first question is solved: whether the second's answer is its own, still the first's, or neither.
Rates edge_rates(const Answers& answers, const Pairs& pairs) {
  Rates out;
  for (int64_t i = 0; i < pairs.first.size(); ++i) {
    if (answers.first.correct[i] == 0) continue;
    out.add(answers.second.correct[i] != 0, answers.second.answers[i] == pairs.first.examples[i].answer);
  }
  return out;
}

// The first questions with the second ones' thoughts.
Rates swap_rates(const Thinker& thinker, const Answers& answers, const Pairs& pairs) {
  Thinker swapped = thinker;
  swapped.procedure = with_thoughts(thinker.procedure, answers.second.thoughts_KD);
  const Seen seen = think_all(swapped, pairs.first);
  Rates out;
  for (int64_t i = 0; i < pairs.first.size(); ++i) {
    if (answers.first.correct[i] == 0 || answers.second.correct[i] == 0) continue;
    out.add(seen.answers[i] == pairs.second.examples[i].answer, seen.correct[i] != 0);
  }
  return out;
}

// The first questions with their own thoughts fed from outside: nothing may change.
double unchanged(const Thinker& thinker, const Answers& answers, const Pairs& pairs) {
  Thinker same = thinker;
  same.procedure = with_thoughts(thinker.procedure, answers.first.thoughts_KD);
  const Seen seen = think_all(same, pairs.first);
  double equal = 0;
  for (int64_t i = 0; i < pairs.first.size(); ++i) equal += seen.answers[i] == answers.first.answers[i];
  return equal / static_cast<double>(pairs.first.size());
}

}  // namespace

ProbeReport probe_counterfactual(const LoadedModel& model, const RunOptions& run) {
  const at::NoGradGuard no_grad;
  const Pairs pairs = pairs_of(model, run);
  ProbeReport out{.name = "counterfactual"};
  out.json = {{"probe", "counterfactual"},
              {"pairs", pairs.first.size()},
              {"without_counterfactual", pairs.without},
              {"same_depth", pairs.same_depth}};
  Chart edge{"edge", "One edge changed, so that the other candidate is right", "who thinks",
             "share of solved problems"};
  Chart swap{"swap", "The counterfactual question's thoughts fed in", "who thinks", "share of solved pairs"};
  for (Chart* chart : {&edge, &swap}) chart->least = 0, chart->most = 1;
  edge.series = {{"follows the edge", {}}, {"stays", {}}, {"neither", {}}};
  swap.series = {{"follows the thought", {}}, {"follows the question", {}}, {"neither", {}}};
  const auto plot = [](Chart& chart, const std::string& name, const Rates& rates) {
    if (rates.follows.empty()) return;  // nothing was solved: there is nothing to follow
    chart.series[0].points.push_back({name, estimate_share(rates.follows)});
    chart.series[1].points.push_back({name, estimate_share(rates.stays)});
    chart.series[2].points.push_back({name, estimate_share(rates.neither)});
  };
  OrderedJson all = OrderedJson::array();
  for (const Thinker& thinker :
       thinkers(model, run, {Control::noise, Control::pause, Control::none, Control::random_weights})) {
    const Answers answers{think_all(thinker, pairs.first), think_all(thinker, pairs.second)};
    OrderedJson one = {{"name", thinker.name},
                       {"what", thinker.what},
                       {"accuracy", to_json(estimate_share(answers.first.correct))},
                       {"accuracy_counterfactual", to_json(estimate_share(answers.second.correct))}};
    const Rates rates = edge_rates(answers, pairs);
    one["edge"] = rates_json(rates, "follows_edge", "stays");
    plot(edge, thinker.name, rates);
    // A control's thoughts are not its own; only what a model proposed and was fed can be swapped.
    const bool own = !thinker.intervention && !thinker.shows_hidden && !thinker.procedure.parallel &&
                     thinker.procedure.max_thoughts() > 0;
    if (own) {
      const Rates swapped = swap_rates(thinker, answers, pairs);
      one["swap"] = rates_json(swapped, "follows_thought", "follows_question");
      one["own_thoughts_again_same_answer"] = unchanged(thinker, answers, pairs);
      plot(swap, thinker.name, swapped);
    }
    all.push_back(one);
  }
  out.json["thinkers"] = all;
  out.charts = {edge};
  if (!swap.series[0].points.empty()) out.charts.push_back(swap);
  out.notes = {
      "rates are of problems that the thinker solved: one that guesses afresh follows the edge half the time, one that "
      "always prefers the same candidate never"};
  return out;
}

}  // namespace tacit::probe
