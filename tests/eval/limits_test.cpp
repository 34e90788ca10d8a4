#include <doctest/doctest.h>

#include <algorithm>

#include "decoding/solve.h"
#include "eval/compare.h"
#include "eval/report_findings.h"
#include "eval/rescore.h"
#include "eval/run.h"
#include "latent/intervention.h"
#include "lib/model/checkpoint.h"
#include "tests/eval/run_support.h"

// What bounds an evaluation: positions, tokens, the end of a text, a part of the problems.

namespace tacit {
namespace {

using namespace test;

TEST_CASE("problems longer than the model's positions count as wrong where that is asked for, and are told apart") {
  const ScratchFolder scratch;
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run(6);
  const Run whole = evaluate(model, options);
  const auto question = [&](const std::string& id, const std::string& text) {
    return Json{{"id", id}, {"question", text}, {"steps", Json::array()}, {"answer", "1"}}.dump() + "\n";
  };
  std::string longer = "1";
  for (int i = 0; i < 250; ++i) longer += " 1";
  std::string lines;
  for (int i = 0; i < 3; ++i) lines += question("short/" + std::to_string(i), whole.samples[i].question.substr(0, 9));
  write_file_atomic(scratch / "short.jsonl", lines, "test");
  lines.insert(lines.find('\n') + 1, question("long", longer));
  write_file_atomic(scratch / "data.jsonl", lines, "test");
  options.task_options.data = scratch / "short.jsonl";
  options.latency_problems = 3;
  const Run fitting = evaluate(model, options);
  options.task_options.data = scratch / "data.jsonl";
  CHECK(holds(error_of([&] { evaluate(model, options); }), "'--too-long wrong' counts such as wrong"));
  options.too_long = TooLong::wrong;
  options.out = scratch / "out";
  const Run run = evaluate(model, options);
  REQUIRE(run.samples.size() == 4);
  CHECK(run.metrics.too_long == 1);
  CHECK(run.metrics.not_extracted == fitting.metrics.not_extracted);
  CHECK(run.metrics.ms_median > 0);
  CHECK(run.metrics.mean_steps == fitting.metrics.mean_steps);  // costs are of what was solved
  CHECK(run.metrics.mean_flops == doctest::Approx(fitting.metrics.mean_flops));
  CHECK(read_json(scratch / "out/run.json", "test").at("too_long") == "wrong");
  for (const Sample& s : read_samples(scratch / "out/samples.jsonl", "test")) CHECK(s.too_long == (s.id == "long"));
  const Sample& left = run.samples[1];
  CHECK((left.id == "long" && left.text == "" && left.steps == 0 && !left.extracted && !left.correct));
  for (const size_t i : {0, 2, 3}) CHECK(run.samples[i].text == fitting.samples[i > 0 ? i - 1 : 0].text);
  CHECK(rescore(scratch / "out", {.dry = true}).run.metrics.too_long == 1);
  const std::string finding = negative_findings(compare({{"a", run}}, "")).back();
  CHECK(holds(finding, "a 1 of 4. Steps"));
  CHECK_FALSE(holds(finding, "front"));  // of one row there is none
  options.out.clear();
  options.intervention = parse_intervention("swap", 0);
  CHECK(
      holds(error_of([&] { evaluate(model, options); }), "an intervention that takes other thoughts, needs them all"));
}

TEST_CASE("an answer that neither the model nor a stop string ended is counted") {
  LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run();
  options.task_options.max_answer_tokens = 3;
  const Run run = evaluate(model, options);
  int64_t cut = 0;
  for (const Sample& s : run.samples) {
    CHECK((!s.answer_cut_off || s.tokens == 3));
    CHECK((s.answer_cut_off ||
           s.tokens < 3));  // the random model proposes its end behind the third token in none of these
    cut += s.answer_cut_off;
  }
  CHECK(cut > 0);
  CHECK(run.metrics.answers_cut_off == cut);
  CHECK(metrics_from_json(Json(to_json(run.metrics)), "test", "memory").answers_cut_off == cut);
}

TEST_CASE("--limit-seed draws other problems than the first, the same again, and rescoring finds them") {
  const ScratchFolder scratch;
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run();
  const Run whole = evaluate(model, options);
  options.limit = 5;
  const auto ids = [&] {
    std::vector<std::string> out;
    for (const Sample& s : evaluate(model, options).samples) out.push_back(s.id);
    return out;
  };
  const std::vector<std::string> first = ids();
  CHECK(first == std::vector<std::string>{"reach-5/0", "reach-5/1", "reach-5/2", "reach-5/3", "reach-5/4"});
  options.limit_seed = 1;
  const std::vector<std::string> one = ids(), again = ids();
  CHECK(one == again);
  CHECK(one != first);
  options.limit_seed = 2;
  CHECK(ids() != one);
  size_t at = 0;  // in the task's order, each once
  for (const Sample& s : whole.samples) at += at < one.size() && s.id == one[at];
  CHECK(at == 5);
  options.limit_seed = 1;
  options.out = scratch / "out";
  evaluate(model, options);
  const Json record = read_json(scratch / "out/run.json", "test");
  CHECK((record.at("limit") == 5 && record.at("limit_seed") == 1 && record.at("limit_of") == 23));
  CHECK(rescore(scratch / "out", {.dry = true}).run.samples.size() == 5);
  options.limit_seed.reset();
  CHECK(holds(error_of([&] { evaluate(model, options); }), "expected 'limit_seed' of 1"));
}

TEST_CASE("a text of a plain checkpoint ends at its eos_token_id, the generation's before the model's") {
  const ScratchFolder scratch;
  const std::filesystem::path folder = scratch / "plain";
  const TinyModelOptions tiny{.vocab_size = 40};
  const auto model = tiny_model(tiny);
  Json config = tiny_config(tiny);
  const auto ends = [&] {
    save_model(folder, *model, config);
    return open_model(folder).settings.end_tokens;
  };
  std::filesystem::create_directories(folder);
  CHECK(ends().empty());
  config["eos_token_id"] = 7;
  CHECK(ends() == std::vector<int64_t>{7});
  write_file_atomic(folder / "generation_config.json", R"({"eos_token_id": [9, 8]})", "test");
  CHECK(ends() == std::vector<int64_t>{9, 8});
  const LoadedModel opened = open_model(folder);
  CHECK(bind_method(opened, "direct").stop_tokens.ids() == std::vector<int64_t>{9, 8});
  write_file_atomic(folder / "generation_config.json", R"({"eos_token_id": "x"})", "test");
  CHECK(holds(error_of([&] { open_model(folder); }), "expected 'eos_token_id' to be a token or a list of tokens"));
  write_file_atomic(folder / "generation_config.json", "{}", "test");
  config["tacit"] = {{"markers", {{"end", "[E]"}}}};
  CHECK(ends().empty());

  // What is decoded ends where any of them would follow, as none of it.
  Session session(model, {.rows = 1, .capacity = 40});
  session.prefill({{1, 2, 3}});
  const std::vector<int64_t> endless = decode(session, {.max_tokens = 6})[0].tokens;
  REQUIRE(endless.size() == 6);
  LoadedModel plain = open_model(folder);
  plain.settings = {.end_tokens = {39, endless[3]}};
  const auto place = std::ranges::find(endless, endless[3]) - endless.begin();
  const Decoded ended = solve(model, bind_method(plain, "direct"), {{1, 2, 3}}, {.max_answer_tokens = 6}).answers[0];
  CHECK(ended.stopped);
  CHECK(ended.tokens == std::vector<int64_t>(endless.begin(), endless.begin() + place));
}

TEST_CASE("a chain in words ends where the text would, and the answer marker still follows") {
  LoadedModel model = tiny_checkpoint();
  model.settings.markers.end.clear();
  const std::vector<int64_t> prompt = model.tokenizer->encode("1 2 | 3 4");
  const auto chain = [&](const std::vector<int64_t>& ends) {
    model.settings.end_tokens = ends;
    return solve(model.model, bind_method(model, "cot"), {prompt}, {.max_answer_tokens = 4});
  };
  const Solution whole = chain({});
  const std::vector<int64_t> words = whole.thoughts.tokens[0];
  REQUIRE(words.size() >= 3);
  const auto place = std::ranges::find(words, words[2]) - words.begin();
  const Solution ended = chain({words[2]});
  CHECK(ended.thoughts.halted[0]);
  CHECK(ended.thoughts.tokens[0] == std::vector<int64_t>(words.begin(), words.begin() + place));
  CHECK(!ended.answers[0].tokens.empty());
  // Without a marker it does not: the answer would be the end again.
  model.settings.markers.answer.clear();
  CHECK(chain({words[2]}).thoughts.tokens[0].size() == static_cast<size_t>(model.settings.max_words));
}

}  // namespace
}  // namespace tacit
