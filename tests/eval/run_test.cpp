#include "eval/run.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "eval/evaluation.h"
#include "lib/model/checkpoint.h"
#include "tests/eval/run_support.h"

namespace tacit {
namespace {

using namespace test;

TEST_CASE("neither the batch nor the order changes a sample") {
  const LoadedModel model = tiny_checkpoint();
  for (const char* method : {"direct", "cot", "pause", "coconut"}) {
    CAPTURE(method);
    RunOptions options = small_run();
    options.method = method;
    options.batch = 1;
    const Run alone = evaluate(model, options);
    REQUIRE(alone.samples.size() == 23);
    for (int64_t batch : {5, 100}) {
      for (const bool shuffled : {false, true}) {
        options.batch = batch;
        options.shuffle = shuffled ? std::optional<uint64_t>(3) : std::nullopt;
        const Run run = evaluate(model, options);
        REQUIRE(run.samples.size() == 23);
        for (size_t i = 0; i < 23; ++i) {
          Sample a = alone.samples[i], b = run.samples[i];
          CHECK(same_thoughts(a.thoughts, b.thoughts));
          for (Sample* s : {&a, &b}) s->ms_prefill = s->ms_think = s->ms_answer = 0, s->thoughts.clear();
          CHECK(to_json(a) == to_json(b));
        }
      }
    }
  }
}

TEST_CASE("a sample tells what was asked, thought and said") {
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run(4);
  const Example first = reach_example(options.task_options.reach, 5, 0);
  const auto sample_of = [&](const char* method) {
    options.method = method;
    return evaluate(model, options).samples.at(0);
  };
  const Sample latent = sample_of("coconut");
  CHECK(latent.id == "reach-5/0");
  CHECK(latent.task == "reach");
  CHECK(latent.method == "coconut");
  CHECK(latent.question == first.question);
  CHECK(latent.expected == first.answer);
  CHECK(latent.depth == first.meta.at("depth").get<int64_t>());
  CHECK(latent.steps == 3);
  CHECK(std::count(latent.thoughts.begin(), latent.thoughts.end(), '.') >= 3);  // three readouts
  CHECK(latent.answer == latent.text.substr(0, latent.text.find(' ')));
  CHECK(latent.correct == (latent.answer == latent.expected));
  CHECK(latent.ms_prefill > 0);

  CHECK(sample_of("direct").thoughts.empty());
  CHECK(sample_of("direct").steps == 0);
  CHECK(sample_of("pause").thoughts == "[P] [P] [P]");
  const Sample words = sample_of("cot");
  CHECK(words.question == first.question + " [T]");
  CHECK(words.steps ==
        std::count(words.thoughts.begin(), words.thoughts.end(), ' ') + (words.thoughts.empty() ? 0 : 1));
}

TEST_CASE("metrics are those of the samples") {
  RunOptions options = small_run(40);
  options.latency_problems = 3;
  const Run run = evaluate(tiny_checkpoint(), options);
  const int64_t correct =
      std::count_if(run.samples.begin(), run.samples.end(), [](const Sample& s) { return s.correct; });
  const Metrics& m = run.metrics;
  CHECK(m.model == "tiny");
  CHECK(m.method == "coconut");
  CHECK(m.examples == 40);
  CHECK(m.correct == correct);
  CHECK(m.accuracy == static_cast<double>(correct) / 40);
  CHECK(m.accuracy_ci.low <= m.accuracy);
  CHECK(m.accuracy_ci.high >= m.accuracy);
  CHECK(m.mean_steps == 3);
  CHECK(m.ms_median > 0);
  CHECK(m.ms_p95 >= m.ms_median);
  CHECK(m.problems_per_s > 0);
  CHECK(m.heuristics.size() == audit_reach(load_examples(task("reach"), options.task_options)).heuristics.size());
  double by_depth = 0;
  for (const DepthAccuracy& d : m.accuracy_by_depth) {
    CHECK(d.examples ==
          std::count_if(run.samples.begin(), run.samples.end(), [&](const Sample& s) { return s.depth == d.depth; }));
    by_depth += d.accuracy * static_cast<double>(d.examples);
  }
  CHECK(by_depth == doctest::Approx(correct));
  CHECK(to_json(metrics_from_json(Json(to_json(m)), "test", "memory")) == to_json(m));
}

TEST_CASE("a written chain that ran into the cap on words is told from one that ended by itself") {
  LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run(20);
  options.method = "cot";
  const int64_t cap = model.settings.max_words;
  const Run run = evaluate(model, options);
  int64_t cut_off = 0;
  for (const Sample& s : run.samples) {
    CHECK(s.cut_off == (s.steps == cap));  // the random model proposes its marker at step `cap` in none of these
    cut_off += s.cut_off;
  }
  CHECK(cut_off > 0);
  CHECK(run.metrics.cut_off == cut_off);
  CHECK(sample_from_json(Json(to_json(run.samples[0])), "test", "memory").cut_off == run.samples[0].cut_off);
  for (const char* method : {"coconut", "pause", "direct"}) {
    options.method = method;
    CHECK(evaluate(model, options).metrics.cut_off == 0);
  }
}

TEST_CASE("several evaluations are timed problem by problem in turn, each after a warm-up") {
  static std::string order;
  for (const char* name : {"A", "B"}) {
    Method m;
    m.name = std::string("in turn ") + name;
    m.procedure = [name](const MethodContext&) {
      Procedure out;
      out.think.max_steps = 1;
      out.think.feedback = {name, [name](const StepState& state) {
                              order += name;
                              return feedback::hidden().next(state);
                            }};
      return out;
    };
    register_method(m);
  }
  const LoadedModel model = tiny_checkpoint();
  std::deque<Evaluation> evaluations;
  for (const char* name : {"A", "B"}) {
    RunOptions options = small_run(5);
    options.method = std::string("in turn ") + name;
    options.latency_problems = 3;
    evaluations.emplace_back(model, options);
  }
  for (Evaluation& evaluation : evaluations) evaluation.solve();
  CHECK(order == "AAABBB");  // a warm-up and two batches
  order.clear();
  const std::vector<Run> runs = finish(evaluations);
  CHECK(order == "ABABBAAB");  // a warm-up of both, then AB, BA, AB
  for (const Run& run : runs) {
    CHECK(run.samples.size() == 5);
    CHECK(run.metrics.ms_p95 >= run.metrics.ms_median);
    CHECK(run.metrics.ms_median > 0);
    CHECK(run.record.at("weights_sha256") == "seed 1");
  }
}

TEST_CASE("progress counts to the end and tells the accuracy") {
  RunOptions options = small_run(10);
  std::vector<Progress> calls;
  evaluate(tiny_checkpoint(), options, [&](const Progress& p) {
    calls.push_back(p);
    return true;
  });
  REQUIRE(calls.size() == 3);
  CHECK(calls[0].what == "eval reach coconut");
  CHECK(calls[0].done == 4);
  CHECK(calls[2].done == 10);
  CHECK(calls[2].total == 10);
  CHECK(calls[2].detail.starts_with("accuracy "));
}

TEST_CASE("limit takes the first examples") {
  RunOptions options = small_run(10);
  const Run all = evaluate(tiny_checkpoint(), options);
  options.limit = 3;
  const Run some = evaluate(tiny_checkpoint(), options);
  REQUIRE(some.samples.size() == 3);
  for (size_t i = 0; i < 3; ++i) CHECK(some.samples[i].id == all.samples[i].id);
}

// A data file of one example.
std::filesystem::path data_file(const ScratchFolder& scratch, const std::string& question) {
  const auto path = scratch / "data.jsonl";
  write_examples(path, {{.id = "mine/0", .question = question, .answer = "3"}});
  return path;
}

TEST_CASE("bad input of an evaluation: one clear error, no folder") {
  const ScratchFolder scratch;
  struct Case {
    const char* error;
    std::function<void(LoadedModel&, RunOptions&)> change;
  };
  const auto with_question = [&](std::string question) {
    return [&scratch, question](LoadedModel&, RunOptions& o) { o.task_options.data = data_file(scratch, question); };
  };
  std::string long_question = "1";
  for (int i = 0; i < 250; ++i) long_question += " 1";
  const Case cases[] = {
      {"example 'mine/0' in words of the checkpoint's tokenizer but got: [tokenize] expected words of the vocabulary "
       "but got 'zebra'",
       with_question("1 2 | zebra")},
      {"example 'mine/0' to ask something", with_question("")},
      {"expected at most 256 positions (the model's) but example 'mine/0' may need 263, 251 of them for its question",
       with_question(long_question)},
      {"did you mean 'coconut'", [](LoadedModel&, RunOptions& o) { o.method = "coconuts"; }},
      {"did you mean 'reach'", [](LoadedModel&, RunOptions& o) { o.task = "reech"; }},
      {"expected the name of a task", [](LoadedModel& m, RunOptions&) { m.settings.task = ""; }},
      {"expected the data file of task 'prosqa'", [](LoadedModel&, RunOptions& o) { o.task = "prosqa"; }},
      {"tokenizer.json, tokenizer.model or vocab.json with merges.txt but got none in /nowhere/tiny",
       [](LoadedModel& m, RunOptions&) { m.tokenizer = nullptr; }},
      {"[universal] expected a model whose blocks run again from left to right but got one of tacit",
       [](LoadedModel&, RunOptions& o) { o.method = "universal"; }},
      {"[huginn] expected a model of family huginn_raven but got one of tacit",
       [](LoadedModel&, RunOptions& o) { o.method = "huginn"; }},
      {"[ouro] expected a model of family ouro", [](LoadedModel&, RunOptions& o) { o.method = "ouro"; }},
      {"[trm] expected a model of family trm", [](LoadedModel&, RunOptions& o) { o.method = "trm"; }},
      {"[tree] expected a model that reads from left to right by full attention, whose keys are not smeared",
       [](LoadedModel&, RunOptions& o) { o.method = "tree"; }},
      {"batch of at least 1 but got 0", [](LoadedModel&, RunOptions& o) { o.batch = 0; }},
      {"latency_problems of at least 0", [](LoadedModel&, RunOptions& o) { o.latency_problems = -1; }},
      {"limit of at least 0", [](LoadedModel&, RunOptions& o) { o.limit = -1; }},
      {"expected a scorer that reads the answer alone beside 'vote:3', which counts answers, but got 'proof', which "
       "reads the thoughts of 'cot' too",
       [](LoadedModel&, RunOptions& o) {
         o.method = "cot";
         o.scorers = {"proof"};
         o.strategy = parse_strategy("vote:3");
       }},
  };
  for (const Case& c : cases) {
    LoadedModel model = tiny_checkpoint();
    RunOptions options = small_run(5);
    options.out = scratch / "run";
    c.change(model, options);
    const std::string error = error_of([&] { evaluate(model, options); });
    CAPTURE(error);
    CHECK(holds(error, c.error));
    CHECK_FALSE(exists(options.out));
  }
}

TEST_CASE("run.json holds what is needed to repeat the run") {
  const ScratchFolder scratch;
  RunOptions options = small_run(3);
  options.shuffle = 8;
  options.out = scratch / "generated";
  evaluate(tiny_checkpoint(), options);
  const Json run = read_json(options.out / "run.json", "test");
  CHECK(run.at("command") == Json({"tacit", "eval"}));
  CHECK(run.at("model") == "tiny");
  CHECK(run.at("weights_sha256") == "seed 1");
  CHECK(run.at("method") == "coconut");
  CHECK(run.at("latents") == 3);
  CHECK(run.at("task") == "reach");
  CHECK(run.at("generator").at("count") == 3);
  CHECK(run.at("seed") == 5);
  CHECK(run.at("batch") == 4);
  CHECK(run.at("shuffle") == 8);
  CHECK(run.at("dtype") == "fp32");
  CHECK(run.at("weights") == "dtype");
  CHECK(run.at("versions").at("tacit") == "0.1.0");
  CHECK(run.at("threads").get<int>() >= 1);
  CHECK(run.contains("cpu"));
  CHECK(Json(read_run(options.out).record) == run);

  options.task_options.data = data_file(scratch, "1 2 | [Q] 2 3 [R] 1");
  options.out = scratch / "read";
  evaluate(tiny_checkpoint(), options);
  const Json read = read_json(options.out / "run.json", "test");
  CHECK(read.at("data") == "data.jsonl");
  CHECK(read.at("data_sha256") == sha256_hex(read_file(options.task_options.data, "test")));
  CHECK_FALSE(read.contains("generator"));
  for (const char* unused : {"style", "labels", "seed"}) CHECK(read.at(unused).is_null());
}

TEST_CASE("open_model reads settings and tokenizer; the hash is that of the weights file") {
  const ScratchFolder scratch;
  const LoadedModel made = tiny_checkpoint();
  const auto directory = scratch / "checkpoint";
  Json config = tiny_config({.vocab_size = made.tokenizer->vocab_size()});
  config["tacit"] = to_json(made.settings);
  save_model(directory, *made.model, config);
  CHECK(open_model(directory).tokenizer == nullptr);
  write_file_atomic(directory / "tokenizer.json", word_tokenizer_json(reach_vocabulary(kLabels)), "test");

  LoadedModel opened = open_model(directory);
  CHECK(to_json(opened.settings) == to_json(made.settings));
  CHECK(model_name(directory / "") == "checkpoint");
  CHECK(hash_weights(directory) == sha256_hex(read_file(directory / "model.safetensors", "test")));
  RunOptions options = small_run(5);
  const Run from_file = evaluate(opened, options), from_memory = evaluate(made, options);
  for (size_t i = 0; i < 5; ++i) CHECK(from_file.samples[i].text == from_memory.samples[i].text);

  std::filesystem::rename(directory / "model.safetensors", directory / "b.safetensors");
  write_file_atomic(directory / "a.safetensors", "x", "test");
  CHECK(hash_weights(directory) ==
        sha256_hex(sha256_hex("x") + "  a.safetensors\n" + sha256_hex(read_file(directory / "b.safetensors", "test")) +
                   "  b.safetensors\n"));
}

TEST_CASE("a model's folder that cannot be looked at: what the system says, not that there is none") {
  const ScratchFolder scratch;
  std::filesystem::create_symlink("loop", scratch / "loop");  // permissions do not stop root
  CHECK(holds(error_of([&] { open_model(scratch / "loop"); }),
              "but got \"Too many levels of symbolic links\" in " + (scratch / "loop").string()));
  CHECK(holds(error_of([&] { open_model(scratch / "none"); }), "there is none at " + (scratch / "none").string()));
  put(scratch / "file", "x");
  CHECK(holds(error_of([&] { open_model(scratch / "file"); }), "but got the file " + (scratch / "file").string()));
}

}  // namespace
}  // namespace tacit
