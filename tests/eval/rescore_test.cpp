#include "eval/rescore.h"

#include <doctest/doctest.h>

#include "eval/compare.h"
#include "eval/report_html.h"
#include "eval/scorers/scorers.h"
#include "lib/core/folder_lock.h"
#include "tests/eval/run_support.h"

namespace tacit {
namespace {

using namespace test;

Json json_of(const std::filesystem::path& file) { return read_json(file, "test"); }

// A run of a random model, whose texts were then replaced by what a model might say: right, wrong, nothing.
void make_run(const std::filesystem::path& folder, int64_t count = 9) {
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run(count);
  options.latency_problems = 2;
  options.out = folder;
  evaluate(model, options);
}

std::string with_texts(const std::filesystem::path& folder) {
  std::string out;
  int64_t i = 0;
  for_each_line(folder / "samples.jsonl", "test", [&](std::string_view line, int64_t) {
    OrderedJson sample = OrderedJson::parse(line);
    const std::string expected = sample.at("expected");
    sample["text"] = i % 3 == 0 ? expected : i % 3 == 1 ? "I think " + expected + " it is" : "";
    ++i;
    out += sample.dump() + "\n";
  });
  return out;
}

// What a report of the run alone says first; notes end with how a run is scored again.
std::string note_of(const Run& run) { return compare({{"a", run}}, "").notes.at(0); }
const std::string kAfter = " ('tacit rescore' after the run's own command)";

}  // namespace

TEST_CASE("rescoring a run changes nothing but a note in run.json: generated examples come back from run.json") {
  const ScratchFolder scratch;
  make_run(scratch / "run");
  const std::string samples = read_file(scratch / "run/samples.jsonl", "test");
  const std::string metrics = read_file(scratch / "run/metrics.json", "test");
  const OrderedJson before = OrderedJson::parse(read_file(scratch / "run/run.json", "test"));
  const Rescored result = rescore(scratch / "run");
  CHECK(result.changes.empty());
  CHECK(read_file(scratch / "run/samples.jsonl", "test") == samples);
  CHECK(read_file(scratch / "run/metrics.json", "test") == metrics);
  OrderedJson after = OrderedJson::parse(read_file(scratch / "run/run.json", "test"));
  CHECK(after.at("rescored").at("scorers") == OrderedJson::array({"as_it_stands"}));
  after.erase("rescored");
  CHECK(after.dump() == before.dump());
  // It is still the same run: evaluate() takes it as it is.
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run(9);
  options.latency_problems = 2;
  options.out = scratch / "run";
  const Run again = evaluate(model, options);
  CHECK(again.samples.size() == 9);
  CHECK(note_of(again) == "a scored again by as_it_stands" + kAfter);
}

TEST_CASE("other texts, other scores; measured figures stay; --dry writes nothing") {
  const ScratchFolder scratch;
  make_run(scratch / "run");
  put(scratch / "run/samples.jsonl", with_texts(scratch / "run"));
  const std::string samples = read_file(scratch / "run/samples.jsonl", "test");
  const std::string metrics = read_file(scratch / "run/metrics.json", "test");
  const Rescored dry = rescore(scratch / "run", {.dry = true});
  CHECK(dry.run.metrics.correct == 3);
  CHECK(dry.run.metrics.not_extracted == 3);
  CHECK(dry.changes.size() >= 3);
  CHECK(read_file(scratch / "run/samples.jsonl", "test") == samples);
  CHECK(read_file(scratch / "run/metrics.json", "test") == metrics);
  CHECK_FALSE(json_of(scratch / "run/run.json").contains("rescored"));

  const Rescored done = rescore(scratch / "run", {.scorers = {"numeric", "first_word"}});
  CHECK(done.run.metrics.correct == 6);  // "I think 7 it is" has a number
  REQUIRE(done.run.metrics.scorers.size() == 1);
  CHECK(done.run.metrics.scorers[0].correct == 3);
  const Run read = read_run(scratch / "run");
  CHECK(read.metrics.correct == 6);
  CHECK(read.metrics.ms_median == done.before.ms_median);
  CHECK(read.metrics.ms_median > 0);
  CHECK(read.metrics.mean_flops == done.before.mean_flops);
  CHECK(read.metrics.heuristics.size() == done.before.heuristics.size());
  CHECK(read.metrics.problems_per_s == doctest::Approx(done.before.problems_per_s));
  CHECK(rescore(scratch / "run", {.scorers = {"numeric", "first_word"}}).changes.empty());
}

TEST_CASE("every form of a report says which rows were scored again, and by what") {
  const ScratchFolder scratch;
  make_run(scratch / "run");
  const Run before = read_run(scratch / "run");
  rescore(scratch / "run", {.scorers = {"numeric", "first_word"}});
  const Run after = read_run(scratch / "run");
  const std::string note = "b scored again by numeric" + kAfter;
  const Comparison one = compare({{"a", before}, {"b", after}}, "");
  CHECK(std::ranges::count_if(one.notes, [](const std::string& n) { return holds(n, "scored"); }) == 1);
  CHECK(one.notes[0] == note);
  CHECK(holds(terminal_table(one, 200, false), "\n" + note + "\n"));
  CHECK(holds(markdown_table(one), "\n" + note + "\n"));
  CHECK(holds(html_report(one, {}), "b scored again by numeric"));
  CHECK(to_json(one).at("notes").at(0) == note);
  CHECK(compare({{"a", after}, {"b", after}}, "").notes[0] == "a, " + note);
  const ComparedRow pooled{.name = "a", .runs = {before, after}, .by_latents = {{1, {after}}}};
  CHECK(compare(std::vector{pooled}, "").notes[0] ==
        "1 of 2 runs of a, a with 1 thought scored again by numeric" + kAfter);
}

TEST_CASE("a rescoring that was stopped leaves a folder that says so, and is done again") {
  const ScratchFolder scratch;
  make_run(scratch / "run");
  rescore(scratch / "run", {.scorers = {"numeric"}});
  Json record = json_of(scratch / "run/run.json");
  CHECK_FALSE(record.at("rescored").contains("unfinished"));
  record["rescored"]["unfinished"] = true;
  put(scratch / "run/run.json", record.dump());
  CHECK(holds(error_of([&] { read_run(scratch / "run"); }), "rescoring was stopped"));
  const int64_t right = std::ranges::count(read_samples(scratch / "run/samples.jsonl", "test"), true, &Sample::correct);
  Json metrics = json_of(scratch / "run/metrics.json");
  metrics["correct"] = right + 3;  // as those from before the stop, which the samples no longer bear out
  put(scratch / "run/metrics.json", metrics.dump());
  CHECK(rescore(scratch / "run").before.correct == right);
  CHECK(read_run(scratch / "run").record.at("rescored").at("task") == "reach");
}

TEST_CASE("a run on a file finds the file again, by its hash, or is told where it is") {
  const ScratchFolder scratch;
  RunOptions options = small_run(5);
  std::vector<Example> examples;
  for (int64_t i = 0; i < 5; ++i) examples.push_back(reach_example(options.task_options.reach, 5, i));
  write_examples(scratch / "data.jsonl", examples);
  options.task_options.data = scratch / "data.jsonl";
  options.out = scratch / "run";
  const LoadedModel model = tiny_checkpoint();
  evaluate(model, options);
  CHECK(rescore(scratch / "run").changes.empty());

  std::filesystem::rename(scratch / "data.jsonl", scratch / "moved.jsonl");
  CHECK(holds(error_of([&] { rescore(scratch / "run"); }), "there is no such file; --data says where"));
  const Rescored moved = rescore(scratch / "run", {.data = scratch / "moved.jsonl"});
  CHECK(moved.changes.empty());
  CHECK(note_of(moved.run) == "a scored again by as_it_stands" + kAfter);  // on the same file

  examples.pop_back();
  write_examples(scratch / "data.jsonl", examples);
  CHECK(holds(error_of([&] { rescore(scratch / "run"); }), "sha256"));
  CHECK(holds(error_of([&] { rescore(scratch / "run", {.data = scratch / "data.jsonl"}); }), "expected an example '"));
}

TEST_CASE("a corrected reference is taken from the file that is named") {
  const ScratchFolder scratch;
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run(4);
  std::vector<Example> examples;
  for (int64_t i = 0; i < 4; ++i) {
    examples.push_back(reach_example(options.task_options.reach, 5, i));
    examples.back().meta = OrderedJson::object();  // else the reader holds the answer to the graph
  }
  write_examples(scratch / "data.jsonl", examples);
  options.task_options.data = scratch / "data.jsonl";
  options.out = scratch / "run";
  const Run run = evaluate(model, options);
  size_t said = 0;
  while (said < 4 && !run.samples[said].extracted) ++said;
  REQUIRE(said < 4);
  for (Example& example : examples) example.answer = "unsaid";
  examples[said].answer = run.samples[said].answer;
  write_examples(scratch / "corrected.jsonl", examples);
  const Rescored result = rescore(scratch / "run", {.data = scratch / "corrected.jsonl"});
  CHECK(result.run.samples[said].correct);
  CHECK(result.run.samples[said].expected == run.samples[said].answer);
  CHECK(result.run.metrics.correct == 1);
  CHECK(note_of(result.run) == "a scored again by as_it_stands, on corrected.jsonl" + kAfter);
}

TEST_CASE("label-blind rules are of the references and the scorer that a run is scored by") {
  const ScratchFolder scratch;
  put(scratch / "digits.json",
      R"({"name": "digits", "format": "jsonl", "fields": {"question": "question", "answer": "answer"},
          "scorers": ["exact_match"]})");
  const auto write = [&](const char* file, int64_t ones, int64_t more) {
    std::vector<Example> examples;
    for (int64_t i = 0; i < 15 + more; ++i)
      examples.push_back({.id = std::to_string(i), .question = "1 2", .answer = i < ones ? "1" : "1.0"});
    write_examples(scratch / file, examples);
  };
  write("data.jsonl", 9, 0);
  write("corrected.jsonl", 12, 20);  // it may hold problems that were not asked
  RunOptions options = small_run();
  options.task = (scratch / "digits.json").string();
  options.task_options.data = scratch / "data.jsonl";
  const auto rule = [](const Run& run) {
    REQUIRE(run.metrics.heuristics.size() == 1);
    return run.metrics.heuristics[0].accuracy;
  };
  options.scorers = {"numeric"};
  CHECK(rule(evaluate(tiny_checkpoint(), options)) == 1);
  options.scorers.clear();
  options.out = scratch / "run";
  CHECK(rule(evaluate(tiny_checkpoint(), options)) == .6);
  CHECK(rule(rescore(scratch / "run", {.data = scratch / "corrected.jsonl", .dry = true}).run) == .8);
  CHECK(rule(rescore(scratch / "run").run) == .6);
  rescore(scratch / "run", {.scorers = {"numeric"}});
  CHECK(rule(read_run(scratch / "run")) == 1);
}

TEST_CASE("a run that is scored as another task's has that task's name everywhere") {
  const ScratchFolder scratch;
  std::vector<Example> examples;
  RunOptions options = small_run();
  for (int64_t i = 0; i < 5; ++i) examples.push_back(reach_example(options.task_options.reach, 5, i));
  write_examples(scratch / "data.jsonl", examples);
  options.task_options.data = scratch / "data.jsonl";
  options.out = scratch / "run";
  evaluate(tiny_checkpoint(), options);
  put(scratch / "other.json",
      R"({"name": "other", "format": "jsonl", "fields": {"question": "question", "answer": "answer"},
          "scorers": ["numeric"]})");
  const Rescored result = rescore(scratch / "run", {.task = (scratch / "other.json").string()});
  CHECK(result.run.metrics.task == "other");
  const Run stored = read_run(scratch / "run");
  CHECK(stored.metrics.task == "other");
  const std::string hash = task((scratch / "other.json").string()).file_sha256.substr(0, 8);
  CHECK(note_of(stored) == "a scored again by numeric, as task other of " + hash + kAfter);
  REQUIRE(stored.samples.size() == 5);
  for (const Sample& sample : stored.samples) CHECK(sample.task == "other");
}

TEST_CASE("a run that somebody is at is not scored again, but what would change is said") {
  const ScratchFolder scratch;
  make_run(scratch / "run");
  const std::string samples = read_file(scratch / "run/samples.jsonl", "test");
  const FolderLock other(scratch / "run", "test");
  CHECK(holds(error_of([&] { rescore(scratch / "run", {.scorers = {"boolean"}}); }),
              "[rescore] expected to be alone in writing to " + (scratch / "run").string()));
  CHECK(read_file(scratch / "run/samples.jsonl", "test") == samples);
  CHECK(rescore(scratch / "run", {.scorers = {"boolean"}, .dry = true}).run.metrics.not_extracted == 9);
}

TEST_CASE("rescoring refuses what is no finished run") {
  const ScratchFolder scratch;
  CHECK(holds(error_of([&] { rescore(scratch / "nothing"); }), "expected a run folder"));
  make_run(scratch / "run", 3);
  CHECK(holds(error_of([&] { rescore(scratch / "run", {.scorers = {"numerc"}}); }), "did you mean 'numeric'?"));
  CHECK(holds(error_of([&] { rescore(scratch / "run", {.task = "rech"}); }), "did you mean 'reach'?"));
  std::string samples = read_file(scratch / "run/samples.jsonl", "test");
  const std::string expected = read_samples(scratch / "run/samples.jsonl", "test")[0].expected;
  const std::string field = "\"expected\":\"" + expected + "\"";
  samples.replace(samples.find(field), field.size(), "\"expected\":\"other\"");
  put(scratch / "run/samples.jsonl", samples);
  CHECK(holds(error_of([&] { rescore(scratch / "run"); }), "no longer the same"));
  std::filesystem::remove(scratch / "run/metrics.json");
  CHECK(holds(error_of([&] { rescore(scratch / "run"); }), "finished run"));
}

}  // namespace tacit
