#include <doctest/doctest.h>

#include <set>

#include "eval/run.h"
#include "eval/shards.h"
#include "lib/core/folder_lock.h"
#include "tests/eval/run_support.h"

namespace tacit {
namespace {

using namespace test;

// 40 problems twice: waves of 16, 16 and 8 a repeat.
RunOptions shared_run(const std::filesystem::path& out) {
  RunOptions options = small_run(40);
  options.repeats = 2;
  options.shuffle = 5;
  options.out = out;
  return options;
}

RunOptions shard(RunOptions options, int64_t rank, int64_t ranks) {
  options.rank = rank;
  options.ranks = ranks;
  return options;
}

TEST_CASE("what several processes solve is, file by file, what one process would have left") {
  const LoadedModel model = tiny_checkpoint();
  for (const char* method : {"coconut", "cot"}) {
    CAPTURE(method);
    const ScratchFolder scratch;
    RunOptions options = shared_run(scratch / "alone");
    options.method = method;
    evaluate(model, options);
    const auto expected = folder_content(options.out);
    for (const int64_t ranks : {2, 3, 7}) {  // of seven one has nothing to do
      CAPTURE(ranks);
      options.out = scratch / ("by_" + std::to_string(ranks));
      int64_t samples = 0;
      for (int64_t rank = ranks - 1; rank > 0; --rank) {
        const Run part = evaluate(model, shard(options, rank, ranks));
        CHECK_FALSE(part.complete);
        CHECK(part.samples.size() >= static_cast<size_t>(samples));
        samples = std::ssize(part.samples);
        CHECK_FALSE(exists(options.out / "metrics.json"));
      }
      CHECK(evaluate(model, shard(options, 0, ranks)).complete);  // the last one merges
      CHECK(folder_content(options.out) == expected);
      CHECK(evaluate(model, shard(options, 1, ranks)).complete);  // finished: nothing to do
    }
  }
}

TEST_CASE("one process completes what several have left, also when one was killed in the middle") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  RunOptions options = shared_run(scratch / "alone");
  evaluate(model, options);
  const auto expected = folder_content(options.out);
  options.out = scratch / "shared";
  CHECK_THROWS_AS(evaluate(model, shard(options, 0, 2), stop_at_call(2)), Interrupted);
  evaluate(model, shard(options, 1, 2));
  const auto torn = shard_folder(options.out, 0, 2) / "samples.jsonl";
  std::filesystem::resize_file(torn, file_size(torn) - 9);
  SUBCASE("one process") { CHECK(evaluate(model, options).complete); }
  SUBCASE("the same processes") { CHECK(evaluate(model, shard(options, 0, 2)).complete); }
  SUBCASE("another number of processes") {
    CHECK_FALSE(evaluate(model, shard(options, 1, 3)).complete);
    evaluate(model, shard(options, 0, 3));
    CHECK(evaluate(model, shard(options, 2, 3)).complete);
  }
  CHECK(folder_content(options.out) == expected);
}

TEST_CASE("several processes complete what one has left that was killed in the middle of a line") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  RunOptions options = shared_run(scratch / "alone");
  evaluate(model, options);
  const auto expected = folder_content(options.out);
  options.out = scratch / "run";
  CHECK_THROWS_AS(evaluate(model, options, stop_at_call(3)), Interrupted);
  std::filesystem::resize_file(options.out / "samples.jsonl", file_size(options.out / "samples.jsonl") - 9);
  CHECK_FALSE(evaluate(model, shard(options, 1, 2)).complete);
  CHECK(evaluate(model, shard(options, 0, 2)).complete);
  CHECK(folder_content(options.out) == expected);
}

TEST_CASE("a finished run of several processes is read, whatever the batch, and completed where a line is lost") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  const RunOptions options = shared_run(scratch / "run");
  evaluate(model, shard(options, 0, 2));
  CHECK(evaluate(model, shard(options, 1, 2)).complete);
  const auto expected = folder_content(options.out);
  RunOptions other = options;
  other.batch = 7;
  CHECK(evaluate(model, other).finished_before);
  CHECK(evaluate(model, shard(other, 1, 2)).finished_before);

  const auto file = options.out / "samples.jsonl";
  for (const RunOptions& again : {options, shard(options, 1, 2)}) {
    std::filesystem::resize_file(file, file_size(file) - 9);
    CHECK(evaluate(model, again).complete);
    CHECK(folder_content(options.out) == expected);
    CHECK(evaluate(model, again).finished_before);
  }
}

TEST_CASE("of processes that end together one writes the run's files, the other has the same samples") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  const RunOptions options = shared_run(scratch / "run");
  evaluate(model, shard(options, 0, 2));
  {
    const FolderLock other(options.out, "test");
    const Run run = evaluate(model, shard(options, 1, 2));
    CHECK(run.complete);
    CHECK(run.samples.size() == 80);
    CHECK_FALSE(exists(options.out / "metrics.json"));
  }
  CHECK(evaluate(model, shard(options, 0, 2)).complete);
  CHECK(read_run(options.out).samples.size() == 80);
}

TEST_CASE("processes that do not share one run are refused") {
  const LoadedModel model = tiny_checkpoint();
  const ScratchFolder scratch;
  RunOptions options = shared_run(scratch / "run");
  evaluate(model, shard(options, 0, 2));
  const auto error = [&](const std::function<void(RunOptions&)>& change) {
    RunOptions other = shard(options, 1, 2);
    change(other);
    return error_of([&] { evaluate(model, other); });
  };
  CHECK(holds(error([](RunOptions& o) { o.batch = 7; }), "expected 'batch' of 4, as a process that shares this run"));
  CHECK(holds(error([](RunOptions& o) { o.shuffle.reset(); }), "expected 'shuffle' of 5"));
  CHECK(holds(error([](RunOptions& o) { o.task_options.seed = 6; }), "expected 'seed' of 5"));
  CHECK(holds(error([](RunOptions& o) { o.rank = 2; }), "a rank below the number of processes but got 2 of 2"));
  CHECK(holds(error([](RunOptions& o) { o.out.clear(); }), "expected a folder for a run that several processes share"));
  CHECK(holds(error([](RunOptions& o) { o.repeats = 0; }), "but got 0"));
}

TEST_CASE("repeats are kept apart and draw anew, seeds draw anew, and what draws nothing repeats itself") {
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run(12);
  options.method = "soft-thinking";
  options.options = {{"noise", "dirichlet"}, {"dirichlet_alpha", 0.3}};
  options.repeats = 3;
  const auto thoughts = [](const Run& run, int64_t repeat) {
    std::vector<std::string> out;
    for (const Sample& s : run.samples) {
      if (s.repeat == repeat) out.push_back(s.thoughts + s.text);
    }
    return out;
  };
  const Run run = evaluate(model, options);
  REQUIRE(run.samples.size() == 36);
  CHECK(run.metrics.examples == 36);
  for (int64_t repeat = 0; repeat < 3; ++repeat) {
    for (size_t i = 0; i < 12; ++i) {
      const Sample& s = run.samples[static_cast<size_t>(repeat) * 12 + i];
      CHECK(s.repeat == repeat);
      CHECK(s.id == run.samples[i].id);
    }
  }
  options.repeats = 1;
  const Run once = evaluate(model, options);
  options.seed = 1;
  const Run other = evaluate(model, options);
  CHECK(thoughts(once, 0) == thoughts(run, 0));
  MESSAGE("drawn: ", once.samples[0].thoughts);
  std::set<std::vector<std::string>> different = {thoughts(run, 0), thoughts(run, 1), thoughts(run, 2),
                                                  thoughts(other, 0)};
  CHECK(different.size() == 4);
  CHECK(other.record.at("sample_seed") == 1);
  options.method = "coconut";
  options.options = Json::object();
  options.repeats = 2;
  const Run fixed = evaluate(model, options);
  CHECK(thoughts(fixed, 0) == thoughts(fixed, 1));
}

TEST_CASE("what differs from the checkpoint's own stands in the method's name") {
  const LoadedModel model = tiny_checkpoint();  // 3 thoughts
  RunOptions options = small_run(4);
  options.latents = 3;
  CHECK(evaluate(model, options).metrics.method == "coconut");
  options.latents = 1;
  CHECK(evaluate(model, options).metrics.method == "coconut, 1 thought");
  options.latents = -1;
  options.method = "soft-thinking";
  options.options = {{"dirichlet_alpha", 1.0}};  // the default
  CHECK(evaluate(model, options).metrics.method == "soft-thinking");
  options.options = {{"dirichlet_alpha", 0.25}};
  options.seed = 4;
  CHECK(evaluate(model, options).metrics.method == "soft-thinking, dirichlet_alpha 0.25");
}

TEST_CASE("a folder of other files is left alone") {
  const ScratchFolder scratch;
  RunOptions options = small_run(4);
  options.out = scratch / "mine";
  std::filesystem::create_directories(options.out);
  put(options.out / "thesis.tex", "x");
  CHECK(holds(error_of([&] { evaluate(tiny_checkpoint(), options); }), "or one of a run, but got"));
  CHECK(holds(error_of([&] { evaluate(tiny_checkpoint(), options); }), "which holds 'thesis.tex'"));
  CHECK_FALSE(exists(options.out / "run.json"));
}

}  // namespace
}  // namespace tacit
