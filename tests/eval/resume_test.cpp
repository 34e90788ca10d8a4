#include <doctest/doctest.h>

#include <fstream>

#include "eval/evaluation.h"
#include "eval/rescore.h"
#include "eval/run.h"
#include "eval/run_folder.h"
#include "lib/core/folder_lock.h"
#include "lib/core/rng.h"
#include "tests/eval/run_support.h"

namespace tacit {
namespace {

using namespace test;

// Evaluates into `folder` and returns its content.
std::vector<std::string> undisturbed(const LoadedModel& model, RunOptions options,
                                     const std::filesystem::path& folder) {
  options.out = folder;
  evaluate(model, options);
  return folder_content(folder);
}

void cut(const std::filesystem::path& file, uint64_t size) { std::filesystem::resize_file(file, size); }

TEST_CASE("an interrupted run, resumed, ends with the files of an undisturbed one") {
  const LoadedModel model = tiny_checkpoint();
  for (const bool shuffled : {false, true}) {
    RunOptions options = small_run();
    options.latency_problems = 2;
    if (shuffled) options.shuffle = 9;
    const ScratchFolder scratch;
    const auto expected = undisturbed(model, options, scratch / "whole");
    for (int64_t calls : {1, 3, 6, 7}) {  // after that many batches; the seventh call comes from the timing
      CAPTURE(calls);
      options.out = scratch / ("stopped_" + std::to_string(calls));
      CHECK_THROWS_AS(evaluate(model, options, stop_at_call(calls)), Interrupted);
      CHECK_FALSE(exists(options.out / "metrics.json"));
      CHECK(read_samples(options.out / "samples.jsonl", "test").size() == std::min<size_t>(4 * calls, 23));
      int64_t first_done = -1;
      evaluate(model, options, [&](const Progress& p) {
        if (first_done < 0) first_done = p.done;
        return true;
      });
      CHECK(folder_content(options.out) == expected);
      if (calls < 6) CHECK(first_done == std::min<int64_t>(4 * (calls + 1), 23));  // what was done is not done again
    }
  }
}

TEST_CASE("a run cut at any byte of its samples is completed") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  RunOptions options = small_run();
  options.shuffle = 4;
  const auto expected = undisturbed(model, options, scratch / "whole");
  const uint64_t size = file_size(scratch / "whole" / "samples.jsonl");
  Rng rng(1);
  std::vector<uint64_t> cuts = {0, 1, size - 1, size};
  for (int i = 0; i < 6; ++i) cuts.push_back(static_cast<uint64_t>(rng.below(static_cast<int64_t>(size))));
  for (uint64_t bytes : cuts) {
    CAPTURE(bytes);
    options.out = scratch / ("cut_" + std::to_string(bytes));
    std::filesystem::copy(scratch / "whole", options.out, std::filesystem::copy_options::recursive);
    cut(options.out / "samples.jsonl", bytes);
    if (rng.below(2) == 0) std::filesystem::remove(options.out / "metrics.json");
    const Run run = evaluate(model, options);
    REQUIRE(run.samples.size() == 23);
    CHECK(folder_content(options.out) == expected);
    const std::vector<Sample> stored = read_samples(options.out / "samples.jsonl", "test");
    for (size_t i = 0; i < 23; ++i) CHECK(stored[i].id == "reach-5/" + std::to_string(i));  // in the task's order
  }
}

TEST_CASE("a finished folder is returned as it is, without solving anything") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  RunOptions options = small_run();
  options.latency_problems = 2;
  options.out = scratch / "run";
  const Run first = evaluate(model, options);
  const std::string metrics = read_file(options.out / "metrics.json", "test");
  const std::string samples = read_file(options.out / "samples.jsonl", "test");
  CHECK(first.metrics.ms_median > 0);

  const FolderLock lock(options.out, "test");  // reading needs none
  const Run again = evaluate(model, options, [](const Progress&) { return false; });
  CHECK(read_file(options.out / "metrics.json", "test") == metrics);
  CHECK(read_file(options.out / "samples.jsonl", "test") == samples);
  const Run read = read_run(options.out);
  for (const Run* run : {&again, &read}) {
    CHECK(to_json(run->metrics) == to_json(first.metrics));
    REQUIRE(run->samples.size() == first.samples.size());
    for (size_t i = 0; i < first.samples.size(); ++i) CHECK(to_json(run->samples[i]) == to_json(first.samples[i]));
  }
}

TEST_CASE("a folder of another run is refused, naming the first field that differs and both values") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  RunOptions options = small_run(5);
  options.out = scratch / "run";
  evaluate(model, options);
  const auto expected = folder_content(options.out);

  struct Case {
    const char* error;
    std::function<void(LoadedModel&, RunOptions&)> change;
  };
  const Case cases[] = {
      {"'weights_sha256' of \"seed 1\", as the run in this folder has, but got \"seed 2\"",
       [](LoadedModel& m, RunOptions&) { m = tiny_checkpoint(2); }},
      {"'method' of \"coconut\", as the run in this folder has, but got \"direct\"",
       [](LoadedModel&, RunOptions& o) { o.method = "direct"; }},
      {"'latents' of 3, as the run in this folder has, but got 2", [](LoadedModel&, RunOptions& o) { o.latents = 2; }},
      {"'seed' of 5, as the run in this folder has, but got 6",
       [](LoadedModel&, RunOptions& o) { o.task_options.seed = 6; }},
      {"'limit' of 0, as the run in this folder has, but got 4", [](LoadedModel&, RunOptions& o) { o.limit = 4; }},
      {"'generator.max_nodes' of 8, as the run in this folder has, but got 7",
       [](LoadedModel&, RunOptions& o) { o.task_options.reach.graph.max_nodes = 7; }},
  };
  for (const Case& c : cases) {
    LoadedModel other = model;
    RunOptions changed = options;
    c.change(other, changed);
    const std::string error = error_of([&] { evaluate(other, changed); });
    CAPTURE(error);
    CHECK(holds(error, c.error));
    CHECK(holds(error, (options.out / "run.json").string()));
  }
  CHECK(folder_content(options.out) == expected);

  RunOptions same = options;  // how it runs may differ
  same.batch = 1;
  same.shuffle = 3;
  same.command = {"other"};
  CHECK_NOTHROW(evaluate(model, same));
}

TEST_CASE("a folder that another session works in is refused, and untouched") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  RunOptions options = small_run();
  options.out = scratch / "run";
  Evaluation first(model, options);
  first.open();
  const std::string error = error_of([&] { evaluate(model, options); });
  CHECK(holds(error, "[evaluate] expected to be alone in writing to " + options.out.string() + " but"));
  first.solve();
  CHECK(first.samples().size() == 23);
}

TEST_CASE("an evaluation leaves nothing in a folder where another one is about to begin") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  RunOptions options = small_run();
  options.out = scratch / "run";
  std::filesystem::create_directories(options.out);
  const FolderLock other(options.out, "test");
  CHECK(holds(error_of([&] { evaluate(model, options); }), "expected to be alone in writing to"));
  CHECK_FALSE(exists(options.out / "run.json"));
  CHECK_FALSE(exists(options.out / "samples.jsonl"));
}

TEST_CASE("a finished run with a torn line behind its last one is healed, and is as it was") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  RunOptions options = small_run();
  const auto expected = undisturbed(model, options, scratch / "run");
  options.out = scratch / "run";
  const std::string metrics = read_file(options.out / "metrics.json", "test");
  std::ofstream(options.out / "samples.jsonl", std::ios::app) << "{\"task\": \"rea";
  CHECK(evaluate(model, options).finished_before);
  CHECK(folder_content(options.out) == expected);
  CHECK(read_file(options.out / "metrics.json", "test") == metrics);
  CHECK(read_run(options.out).samples.size() == 23);
}

TEST_CASE("a run that was scored again and has lost samples is not completed by the rule of before") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  RunOptions options = small_run();
  options.out = scratch / "run";
  evaluate(model, options);
  rescore(options.out, {.scorers = {"boolean"}});
  const auto file = options.out / "samples.jsonl";
  const std::string whole = read_file(file, "test");
  CHECK(evaluate(model, options).finished_before);
  cut(file, file_size(file) - 9);
  const std::string torn = read_file(file, "test");
  const std::string error = error_of([&] { evaluate(model, options); });
  CHECK(holds(error, "[evaluate] expected all 23 samples of a run that was scored again but got 22 whole lines in " +
                         file.string() + "; put the file back as it was, or choose another folder"));
  CHECK(read_file(file, "test") == torn);
  put(file, whole);
  CHECK(evaluate(model, options).finished_before);
}

TEST_CASE("a run.json in the words of before: another name of the dtype, and none of the weights' format") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  RunOptions options = small_run();
  options.out = scratch / "run";
  evaluate(model, options);
  OrderedJson record = OrderedJson::parse(read_file(options.out / "run.json", "test"));
  record["dtype"] = "Float";
  record.erase("weights");
  write_file_atomic(options.out / "run.json", record.dump(), "test");
  CHECK(evaluate(model, options).finished_before);
  CHECK(rescore(options.out, {}).changes.empty());
  write_file_atomic(options.out / "run.json", record.dump(), "test");
  const Run read = read_run(options.out);
  CHECK(read.record.at("dtype") == "fp32");
  CHECK(read.record.at("weights") == "dtype");
}

TEST_CASE("a run of a method's other revision is not gone on with") {
  Method own = method("coconut");
  own.name = "revised";
  own.revision = "2";
  register_method(own);
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  RunOptions options = small_run();
  options.method = "revised";
  options.out = scratch / "run";
  evaluate(model, options);
  CHECK(evaluate(model, options).finished_before);
  OrderedJson record = OrderedJson::parse(read_file(options.out / "run.json", "test"));
  record["method_revision"] = "1";
  write_file_atomic(options.out / "run.json", record.dump(), "test");
  CHECK(holds(error_of([&] { evaluate(model, options); }), "expected 'method_revision' of \"1\", as the run in this"));
}

TEST_CASE("a list that differs from the folder's is named as a whole, and what one of them lacks in words") {
  const ScratchFolder scratch;
  struct Case {
    const char *here, *there, *error;
  };
  for (const Case& c :
       {Case{R"({"task": "reach", "scorers": ["numeric"]})", R"({"task": "reach"})",
             R"(no 'scorers', as the run in this folder was made without it, but got ["numeric"])"},
        Case{R"({"task": "reach"})", R"({"task": "reach", "scorers": ["numeric"]})",
             R"('scorers' of ["numeric"], as the run in this folder has, but got none)"},
        Case{R"({"scorers": ["numeric", "boxed"]})", R"({"scorers": ["numeric"]})",
             R"('scorers' of ["numeric"], as the run in this folder has, but got ["numeric","boxed"])"}}) {
    put(scratch / "run.json", c.there);
    const std::string error = error_of([&] { require_same_run(OrderedJson::parse(c.here), scratch / "run.json"); });
    CAPTURE(error);
    CHECK(holds(error, std::string("expected ") + c.error + " ("));
  }
}

TEST_CASE("broken run folders are refused, naming file and line") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  RunOptions options = small_run(5);
  options.out = scratch / "run";
  evaluate(model, options);
  const auto samples_file = options.out / "samples.jsonl";
  const std::string good = read_file(samples_file, "test");
  std::vector<std::string> lines;
  for_each_line(samples_file, "test", [&](std::string_view text, int64_t) { lines.emplace_back(text); });

  const auto error_with_third = [&](const std::string& line) {
    write_file_atomic(samples_file, lines[0] + "\n" + lines[1] + "\n" + line + "\n" + lines[3] + "\n", "test");
    return error_of([&] { evaluate(model, options); });
  };
  const std::string place = "samples.jsonl, line 3";
  for (const std::string line : {"", "{", "[]", "null", "{\"id\": 3}", "\xff\xfe"}) {
    const std::string error = error_with_third(line);
    CAPTURE(line);
    CAPTURE(error);
    CHECK(holds(error, place));
  }
  CHECK(holds(error_with_third(lines[0]), "reach-5/0, repeat 0, coconut a second time"));
  CHECK(holds(error_with_third(lines[0]), place));
  OrderedJson stranger = OrderedJson::parse(lines[2]);
  stranger["id"] = "prosqa_valid/0";
  CHECK(holds(error_with_third(stranger.dump()), "prosqa_valid/0"));
  CHECK(holds(error_with_third(stranger.dump()), place));

  write_file_atomic(options.out / "run.json", "{\"command\": [", "test");
  CHECK(holds(error_of([&] { evaluate(model, options); }), "run.json"));
  std::filesystem::remove(options.out / "run.json");
  CHECK(holds(error_of([&] { evaluate(model, options); }), "has results without one"));
  write_file_atomic(scratch / "file", "x", "test");
  options.out = scratch / "file";
  CHECK(holds(error_of([&] { evaluate(model, options); }), "expected a folder for the run"));
}

TEST_CASE("read_run refuses an unfinished run") {
  const ScratchFolder scratch;
  RunOptions options = small_run();
  options.out = scratch / "run";
  CHECK_THROWS_AS(evaluate(tiny_checkpoint(), options, stop_at_call(2)), Interrupted);
  CHECK(holds(error_of([&] { read_run(options.out); }), "folder without metrics.json"));
  CHECK(holds(error_of([&] { read_run(scratch / "nothing"); }), "expected a run folder"));
}

}  // namespace
}  // namespace tacit
