#include <doctest/doctest.h>

#include "datasets/graph.h"
#include "eval/evaluation.h"
#include "eval/probe/counterfactual.h"
#include "eval/probe/dimension.h"
#include "eval/probe/frontier.h"
#include "eval/probe/lens.h"
#include "eval/probe/linear_probe.h"
#include "eval/probe/noise.h"
#include "eval/probe/separability.h"
#include "latent/thought_head.h"
#include "lib/model/int8_model.h"
#include "tests/eval/run_support.h"

using namespace tacit;
using namespace tacit::test;
using namespace tacit::probe;

namespace {

const OrderedJson& thinker(const ProbeReport& report, const std::string& name) {
  for (const OrderedJson& one : report.json.at("thinkers"))
    if (one.at("name") == name) return one;
  fail("test", "expected a thinker called ", name);
}

}  // namespace

TEST_CASE("thinkers: what is seen is what was fed, and answers are those of an evaluation") {
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run(17);
  options.batch = 5;
  const ProbeSet set = probe_set(model, options);
  REQUIRE(set.size() == 17);
  const Thinker own = own_thinker(model, options);
  const Seen seen = think_all(own, set);
  const Run run = evaluate(model, options);
  for (int64_t i = 0; i < 17; ++i) {
    CHECK(seen.answers[i] == run.samples[i].answer);
    const bool correct = seen.correct[i] == 1;
    CHECK(correct == run.samples[i].correct);
    SolveOptions alone = set.solve;
    alone.keep_trace = true;
    const Solution solution = solve(model.model, own.procedure, {set.prompts[i]}, alone);
    REQUIRE(seen.thoughts_KD[i].size(0) == 3);
    CHECK(at::allclose(seen.thoughts_KD[i], solution.thoughts.trace_BKD[0], 1e-4, 1e-5));
  }
}

TEST_CASE(
    "a probe asks the prompts of an evaluation: a task file's template, its solved examples, its limit of tokens") {
  const ScratchFolder folder;
  put(folder / "sums.json", R"({
    "name": "sums", "summary": "Sums of two numbers", "format": "tsv", "data": "sums.tsv",
    "fields": {"question": "{a} {b}", "answer": "sum", "steps": {"from": "why", "optional": true}},
    "prompt": "[Q] {question} [R]", "solution": " {answer}", "separator": " ; ",
    "scorers": ["first_word"], "max_answer_tokens": 4, "stop": ["|"]})");
  put(folder / "sums.tsv", "a\tb\tsum\n1\t2\t3\n2\t2\t4\n5\t2\t7\n4\t4\t8\n");
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run();
  options.task = folder / "sums.json";
  options.task_options.shots = 2;
  options.task_options.max_answer_tokens = 3;
  const ProbeSet set = probe_set(model, options);
  const Run run = evaluate(model, options);
  const Procedure procedure = procedure_of(model, options);
  const Seen seen = think_all(own_thinker(model, options), set);
  CHECK(set.solve.max_answer_tokens == 3);
  REQUIRE(set.size() == 4);
  for (int64_t i = 0; i < 4; ++i) {
    std::vector<int64_t> asked = set.prompts[i];
    asked.insert(asked.end(), procedure.prompt_suffix.begin(), procedure.prompt_suffix.end());
    CHECK(model.tokenizer->decode(asked) == run.samples[i].question);
    CHECK(run.samples[i].question.find(" ; ") != std::string::npos);
    CHECK(seen.answers[i] == run.samples[i].answer);
  }
}

TEST_CASE("thinkers: a scorer that reads written chains is told them, as in an evaluation") {
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run(17);
  options.method = "cot";
  ProbeSet set = probe_set(model, options);
  Task reads_chains = *set.task;
  reads_chains.scorers[0].score_chain = [](const Example&, const std::string& thoughts, const std::string& text) {
    return Score{thoughts + " / " + text, true, true};
  };
  set.task = &reads_chains;
  const Seen seen = think_all(own_thinker(model, options), set);
  const Run run = evaluate(model, options);
  int64_t written = 0;
  for (int64_t i = 0; i < 17; ++i) {
    const Sample& sample = run.samples[i];
    if (sample.thoughts.empty()) continue;
    ++written;
    CHECK(seen.answers[i] == sample.thoughts + " / " + sample.text);
    CHECK(seen.correct[i] == 1);
  }
  CHECK(written > 0);
}

TEST_CASE("thinkers: random weights are of the method's own weights too") {
  // Two checkpoints that differ in the trained head alone: their thoughts differ, those of random weights do not.
  std::array<Seen, 2> own, random;
  for (const size_t c : {0, 1}) {
    LoadedModel model = tiny_checkpoint();
    model.settings.options = {{"projector", "mlp"}};
    model.method_weights = head_weights({.projector = Projector::mlp}, model.model->config().hidden_size, 40 + c);
    const RunOptions options = small_run(5);
    const ProbeSet set = probe_set(model, options);
    own[c] = think_all(own_thinker(model, options), set);
    const auto control = control_thinker(model, options, Control::random_weights);
    REQUIRE(control);
    random[c] = think_all(*control, set);
  }
  for (int64_t i = 0; i < 5; ++i) {
    CHECK_FALSE(at::allclose(own[0].thoughts_KD[i], own[1].thoughts_KD[i], 1e-2, 1e-2));
    CHECK(at::equal(random[0].thoughts_KD[i], random[1].thoughts_KD[i]));
  }
}

TEST_CASE("thinkers: random weights are in the model's own kind of numbers") {
  LoadedModel model = tiny_checkpoint();
  const RunOptions options = small_run(5);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    std::map<std::string, at::Tensor> weights;
    for (const auto& [name, weight] : model.model->weights()) weights[name] = weight.to(dtype);
    LoadedModel plain = model, rounded = model;
    plain.model = std::make_shared<const Transformer>(model.model->config(), std::move(weights));
    rounded.model = int8_model(*plain.model);
    for (const LoadedModel* own : {&plain, &rounded}) {
      const auto control = control_thinker(*own, options, Control::random_weights);
      REQUIRE(control);
      CHECK((control->model->dtype() == dtype));
      CHECK((control->model->weight_format() == own->model->weight_format()));
    }
  }
}

TEST_CASE("thinkers: random weights take all thoughts, also where a trained head decides when to stop") {
  LoadedModel model = tiny_checkpoint();
  model.settings.method = "halting";
  model.settings.options = {{"base", "coconut"}};
  const int64_t width = model.model->config().hidden_size;
  model.method_weights = {{"halting.weight", at::zeros({width})}, {"halting.bias", at::full({1}, 50.0)}};
  const RunOptions options = small_run(5);
  const ProbeSet set = probe_set(model, options);
  CHECK(most_thoughts(think_all(own_thinker(model, options), set)) == 0);  // the head says stop at once
  const auto control = control_thinker(model, options, Control::random_weights);
  REQUIRE(control);
  for (const at::Tensor& thoughts_KD : think_all(*control, set).thoughts_KD) CHECK(thoughts_KD.size(0) == 3);
}

TEST_CASE("probe counterfactual: the changed question is asked as the first one is") {
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run(6);
  Example example = reach_example(options.task_options.reach, 5, 0);
  const auto prompts = probe_prompts(model, options, {example});
  CHECK(prompts[0] == probe_set(model, options).prompts[0]);
  example.question = "3 4 | [Q] 4 5 [R] 3";
  CHECK(model.tokenizer->decode(probe_prompts(model, options, {example})[0]) == example.question);
}

TEST_CASE("thinkers: under noise and pauses the first thought is the model's own, later ones are not") {
  const LoadedModel model = tiny_checkpoint();
  const RunOptions options = small_run(9);
  const ProbeSet set = probe_set(model, options);
  const Seen own = think_all(own_thinker(model, options), set);
  for (const Control control : {Control::noise, Control::pause}) {
    const auto other = control_thinker(model, options, control);
    REQUIRE(other);
    const Seen seen = think_all(*other, set);
    for (int64_t i = 0; i < 9; ++i) {
      CHECK(at::allclose(seen.thoughts_KD[i][0], own.thoughts_KD[i][0], 1e-4, 1e-5));
      CHECK_FALSE(at::allclose(seen.thoughts_KD[i][1], own.thoughts_KD[i][1], 1e-2, 1e-2));
    }
  }
  const auto none = control_thinker(model, options, Control::none);
  REQUIRE(none);
  CHECK(most_thoughts(think_all(*none, set)) == 0);
  LoadedModel plain = model;
  plain.settings.markers.pause = "";
  CHECK_FALSE(control_thinker(plain, options, Control::pause));
}

TEST_CASE("layers before the answer: the last block's state, normed, is the last tensor; blocks are told apart") {
  const LoadedModel model = tiny_checkpoint();
  const RunOptions options = small_run(7);
  const ProbeSet set = probe_set(model, options);
  const Thinker own = own_thinker(model, options);
  const auto layers_ND = layers_before_answer(own, set);
  REQUIRE(layers_ND.size() == 3);
  CHECK(at::allclose(model.model->final_norm(layers_ND[1]), layers_ND[2], 1e-4, 1e-5));
  CHECK_FALSE(at::allclose(layers_ND[0], layers_ND[1], 1e-2, 1e-2));
  // The same as a session of its own, written out.
  Session session(model.model, {.rows = 1, .capacity = 128, .keep_layers = true});
  session.prefill({set.prompts[3]});
  session.think(own.procedure.think);
  session.feed(own.procedure.answer_marker);
  CHECK(at::allclose(session.hidden_BD()[0], layers_ND[2][3], 1e-4, 1e-5));
}

TEST_CASE("an edge counterfactual changes one edge and the answer, and nothing else") {
  for (const ReachStyle style : {ReachStyle::symbols, ReachStyle::english}) {
    ReachOptions options;
    options.style = style;
    int64_t found = 0, same_depth = 0;
    for (int64_t i = 0; i < 40; ++i) {
      const Example example = reach_example(options, 3, i);
      const auto changed = edge_counterfactual(example, 1, static_cast<uint64_t>(i));
      if (!changed) continue;
      ++found;
      const GraphProblem before = graph_from_json(Json(example.meta.at("graph")), "test", "before");
      // Fails unless the other candidate is the one that is reached now.
      const GraphProblem after = graph_from_json(Json(changed->meta.at("graph")), "test", "after");
      CHECK(after.target == before.neg_target);
      CHECK(after.neg_target == before.target);
      int64_t differ = 0;
      REQUIRE(after.edges.size() == before.edges.size());
      for (size_t e = 0; e < before.edges.size(); ++e) {
        differ += before.edges[e] != after.edges[e];
        CHECK(before.edges[e].first == after.edges[e].first);
      }
      CHECK(differ == 1);
      CHECK(changed->answer != example.answer);
      CHECK(changed->meta.at("candidates") == example.meta.at("candidates"));
      CHECK(changed->meta.at("depth") == distances(after)[after.target]);
      same_depth += changed->meta.at("depth") == example.meta.at("depth");
      // The text says what the graph says: a word differs, and no more.
      std::istringstream a(example.question), b(changed->question);
      std::string x, y;
      int64_t words = 0;
      while (a >> x) {
        REQUIRE(static_cast<bool>(b >> y));
        words += x != y;
      }
      const bool more = static_cast<bool>(b >> y);
      CHECK(more == false);
      CHECK(words == 1);
      CHECK(edge_counterfactual(example, 1, static_cast<uint64_t>(i))->question == changed->question);
    }
    CHECK(found > 30);
    CHECK(same_depth > found / 2);
  }
  CHECK_THROWS_WITH_AS(edge_counterfactual({.id = "x"}, 0, 0), doctest::Contains("carry a graph"), Error);
}

TEST_CASE("thoughts fed from outside: its own change nothing, another problem's are what the model reads") {
  const LoadedModel model = tiny_checkpoint();
  const RunOptions options = small_run(13);
  const ProbeSet set = probe_set(model, options);
  const Thinker own = own_thinker(model, options);
  const Seen clean = think_all(own, set);
  Thinker again = own;
  again.procedure = with_thoughts(own.procedure, clean.thoughts_KD);
  const Seen same = think_all(again, set);
  CHECK(same.answers == clean.answers);
  Thinker swapped = own;
  std::vector<at::Tensor> other = clean.thoughts_KD;
  std::ranges::rotate(other, other.begin() + 1);
  swapped.procedure = with_thoughts(own.procedure, other);
  const auto before = layers_before_answer(own, set), after = layers_before_answer(swapped, set);
  for (int64_t i = 0; i < 13; ++i) CHECK_FALSE(at::allclose(before[2][i], after[2][i], 1e-4, 1e-4));
}

TEST_CASE("probes of a model of random weights: nothing is there to find, and every number says so") {
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run(120);
  options.task_options.reach.graph.max_depth = 2;
  const ProbeReport frontier = probe_frontier(model, options);
  for (const OrderedJson& step : thinker(frontier, "thoughts").at("level").at("by_thought"))
    CHECK(std::abs(step.at("auc").at("mean").get<double>() - .5) < .2);
  const ProbeReport noise = probe_noise(model, small_run(23), {.sizes = {0, 1}});
  REQUIRE(noise.json.at("curve").size() == 3);
  CHECK(noise.json.at("curve")[0].at("accuracy").at("mean").get<double>() ==
        evaluate(model, small_run(23)).metrics.accuracy);
  const ProbeReport goal = probe_goal(model, options);
  for (const OrderedJson& step : thinker(goal, "thoughts").at("properties").at("target"))
    CHECK(step.at("choice").at("low").get<double>() < .75);
  const ProbeReport counterfactual = probe_counterfactual(model, small_run(23));
  CHECK(thinker(counterfactual, "thoughts").at("own_thoughts_again_same_answer") == 1);
}

TEST_CASE("every probe gives charts that are SVG, and finite numbers within their intervals") {
  const LoadedModel model = tiny_checkpoint();
  const RunOptions options = small_run(60);
  for (const ProbeReport& report :
       {probe_lens(model, options, {.hull_problems = 5}), probe_frontier(model, options),
        probe_dimension(model, options), probe_separability(model, options, {.permutations = 5}),
        probe_counterfactual(model, options), probe_noise(model, options, {.sizes = {.5}}),
        probe_goal(model, options)}) {
    CAPTURE(report.name);
    REQUIRE_FALSE(report.charts.empty());
    for (const Chart& chart : report.charts) {
      const std::string picture = svg(chart);
      CHECK(picture.starts_with("<svg "));
      CHECK(picture.ends_with("</svg>\n"));
      CHECK(picture.find("nan") == std::string::npos);
      CHECK(picture.find("inf") == std::string::npos);
      for (const ChartSeries& series : chart.series) {
        for (const ChartPoint& point : series.points) {
          CHECK(point.y.low <= point.y.mean);
          CHECK(point.y.mean <= point.y.high);
        }
      }
    }
    CHECK(report.json.dump().find("nan") == std::string::npos);
  }
}

TEST_CASE("probe frontier says where its numbers have no interval, and why") {
  const LoadedModel model = tiny_checkpoint();
  const auto notes = [&](int64_t problems) {
    return OrderedJson(probe_frontier(model, small_run(problems)).notes).dump();
  };
  const std::string one = notes(1);
  CAPTURE(one);
  CHECK(one.find("AUC of thought 1, 2, 3: of a single problem, so no interval") != std::string::npos);
  CHECK(one.find("share of thought 1, 2, 3: of a single problem, so no interval") != std::string::npos);
  CHECK(notes(60).find("interval") == std::string::npos);
}

TEST_CASE("a chart says which of its points rest on fewer problems, and what that changes") {
  const auto at = [](const std::string& x, int64_t count) { return ChartPoint{x, exact(1, count)}; };
  const Chart chart{.name = "c",
                    .x_label = "thought",
                    .series = {{"own", {at("1", 40), at("2", 40)}}, {"cot", {at("1", 40), at("2", 35), at("3", 14)}}}};
  CHECK(fewer_problems(chart, 40) == std::vector<std::string>{"cot: of 40 problems thought 2 has 35, 3 has 14"});
  CHECK(fewer_problems(chart, 15, [](int64_t n) { return " (" + std::to_string(n) + "!)"; }) ==
        std::vector<std::string>{"cot: of 15 problems thought 3 has 14 (14!)"});
  CHECK(fewer_problems(chart, 14).empty());
}

TEST_CASE("probe lens: without problems for the hull there is no distance to it") {
  const ProbeReport report = probe_lens(tiny_checkpoint(), small_run(5), {.hull_problems = 0});
  CHECK(report.charts.size() == 2);
  for (const Chart& chart : report.charts) CHECK(chart.name != "hull");
  for (const OrderedJson& step : thinker(report, "thoughts").at("steps")) {
    CHECK_FALSE(step.contains("hull_distance_over_length"));
    CHECK(step.at("top_probability").at("mean") > 0);
  }
  CHECK(OrderedJson(report.notes).dump().find("hull:") == std::string::npos);
}

TEST_CASE("probe dimension: a checkpoint that is asked other problems cannot stand beside it") {
  const LoadedModel model = tiny_checkpoint(), other = tiny_checkpoint(2);
  const RunOptions options = small_run(5);
  CHECK(probe_dimension(model, options, &other, &options).json.at("thinkers").size() == 5);
  RunOptions chain = options;
  chain.task_options.seed = 6;
  CHECK_THROWS_WITH_AS(probe_dimension(model, options, &other, &chain), doctest::Contains("the same problems"), Error);
  // Too few problems are refused before anything is asked of either.
  CHECK_THROWS_WITH_AS(probe_dimension(model, small_run(1), &other, &chain), doctest::Contains("at least 2 problems"),
                       Error);
  const ScratchFolder folder;
  put(folder / "own.json", R"({"name": "own", "summary": "Own", "format": "tsv", "data": "own.tsv",
    "fields": {"question": "a", "answer": "b"}, "prompt": "{question}", "scorers": ["first_word"]})");
  put(folder / "own.tsv", "a\tb\n1 2\t3\n");
  chain.task = folder / "own.json";
  CHECK_THROWS_WITH_AS(
      probe_dimension(model, options, &other, &chain),
      doctest::Contains("a checkpoint of the same task, 'reach', to stand beside but tiny is of 'own'"), Error);
}

TEST_CASE("probes refuse what they cannot look at") {
  const LoadedModel model = tiny_checkpoint();
  CHECK_THROWS_WITH_AS(probe_goal(model, small_run(39)), doctest::Contains("expected at least 40 problems"), Error);
  CHECK_THROWS_WITH_AS(probe_goal(model, small_run(40), {.test_share = 1}), doctest::Contains("between 0 and 1"),
                       Error);
  RunOptions direct = small_run(5);
  direct.method = "direct";
  CHECK_THROWS_WITH_AS(probe_lens(model, direct), doctest::Contains("expected a method that takes thoughts"), Error);
  CHECK_THROWS_WITH_AS(probe_noise(model, direct), doctest::Contains("expected a method that takes thoughts"), Error);
  CHECK_THROWS_AS(probe_dimension(model, direct), Error);
}
