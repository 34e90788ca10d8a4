// Evaluations whose answers are chosen by likelihood.
#include <doctest/doctest.h>

#include "decoding/choice.h"
#include "eval/rescore.h"
#include "tests/eval/run_support.h"

namespace tacit {
namespace {

using namespace test;

// The two candidates of every question, and a longer wrong one.
std::vector<Example> with_choices(int64_t count) {
  std::vector<Example> examples;
  const RunOptions options = small_run();
  for (int64_t i = 0; i < count; ++i) {
    Example example = reach_example(options.task_options.reach, 5, i);
    for (const auto& label : example.meta.at("candidates")) example.choices.push_back(label);
    example.choices.push_back("1 2 3");
    examples.push_back(std::move(example));
  }
  return examples;
}

RunOptions by_choice(const std::filesystem::path& data) {
  RunOptions options = small_run();
  options.task_options.data = data;
  options.scorers = {"choice_likelihood", "choice_likelihood_mean", "choice_likelihood_norm"};
  return options;
}

}  // namespace

TEST_CASE("a task scored by choice_likelihood: every sample holds its choices' likelihoods, those of choose()") {
  const ScratchFolder scratch;
  const std::vector<Example> examples = with_choices(11);
  write_examples(scratch / "data.jsonl", examples);
  const LoadedModel model = tiny_checkpoint();
  for (const char* method : {"coconut", "direct", "cot"}) {
    CAPTURE(method);
    RunOptions options = by_choice(scratch / "data.jsonl");
    options.method = method;
    options.latency_problems = 2;
    options.out = scratch / method;
    const Run run = evaluate(model, options);
    REQUIRE(run.samples.size() == 11);
    const Procedure procedure =
        bind_method(tacit::method(method, model.settings), model.settings, model.tokenizer.get());
    int64_t correct = 0;
    for (size_t i = 0; i < examples.size(); ++i) {
      const Sample& sample = run.samples[i];
      TokenRows choices;
      for (const std::string& choice : examples[i].choices) choices.push_back(model.tokenizer->encode(choice));
      const Solution alone = choose(model.model, procedure, {model.tokenizer->encode(examples[i].question)}, {choices});
      REQUIRE(sample.choices.size() == 3);
      for (size_t c = 0; c < 3; ++c) {
        CHECK(sample.choices[c].log_probability == doctest::Approx(alone.choices[0][c].log_probability).epsilon(1e-5));
        CHECK(sample.choices[c].tokens == (c == 2 ? 3 : 1));
      }
      CHECK(sample.text == examples[i].choices[likeliest_choice(sample.choices)]);
      CHECK(sample.answer == sample.text);
      CHECK(sample.extracted);
      CHECK(sample.correct == (sample.text == examples[i].answer));
      CHECK(sample.flops > 0);
      REQUIRE(sample.scores.size() == 2);
      correct += sample.correct;
    }
    CHECK(run.metrics.correct == correct);
    CHECK(run.metrics.ms_median > 0);
    // As they lie on the disk, and scored again without the model.
    const Run read = read_run(scratch / method);
    CHECK(read.samples[3].choices.size() == 3);
    CHECK(read.samples[3].choices[2].log_probability == run.samples[3].choices[2].log_probability);
    CHECK(rescore(scratch / method).changes.empty());
    CHECK(evaluate(model, options).samples.size() == 11);  // the same run
    CHECK(run.record.value("writes", true) == (method == std::string("cot")));
    OrderedJson record = read.record;
    record.erase("writes");  // as it was not always recorded
    put(scratch / method / "run.json", record.dump());
    CHECK(evaluate(model, options).finished_before);
  }
}

TEST_CASE("a problem that is too long has no likelihoods and is wrong, also where the run is scored again") {
  const ScratchFolder scratch;
  std::vector<Example> examples = with_choices(3);
  for (int i = 0; i < 250; ++i) examples[1].question += " 1";
  examples[1].meta = OrderedJson::object();  // else the reader holds the question to the graph
  write_examples(scratch / "data.jsonl", examples);
  RunOptions options = by_choice(scratch / "data.jsonl");
  options.too_long = TooLong::wrong;
  options.out = scratch / "run";
  evaluate(tiny_checkpoint(), options);
  const Rescored again = rescore(scratch / "run");
  CHECK(again.changes.empty());
  CHECK(again.run.metrics.too_long == 1);
  for (size_t i = 0; i < 3; ++i) {
    const Sample& sample = again.run.samples[i];
    CHECK(sample.choices.empty() == (i == 1));
    CHECK(sample.extracted == (i != 1));
    REQUIRE(sample.scores.size() == 2);
    CHECK(sample.scores[1].score.extracted == (i != 1));
  }
}

TEST_CASE("likelihoods of a run do not depend on its batch") {
  const ScratchFolder scratch;
  write_examples(scratch / "data.jsonl", with_choices(9));
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = by_choice(scratch / "data.jsonl");
  options.batch = 1;
  const Run one = evaluate(model, options);
  options.batch = 4;
  options.shuffle = 3;
  const Run four = evaluate(model, options);
  for (size_t i = 0; i < one.samples.size(); ++i) {
    CHECK(one.samples[i].text == four.samples[i].text);
    CHECK(one.samples[i].flops == four.samples[i].flops);
    for (size_t c = 0; c < 3; ++c) {
      CHECK(one.samples[i].choices[c].log_probability ==
            doctest::Approx(four.samples[i].choices[c].log_probability).epsilon(1e-5));
    }
  }
}

TEST_CASE("a task scored by choice_likelihood needs choices; an unknown scorer is named") {
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run(3);
  options.scorers = {"choice_likelihood"};
  CHECK(holds(error_of([&] { evaluate(model, options); }), "with choices, whose likelihoods are compared"));
  options.scorers = {"choice_likelihod"};
  CHECK(holds(error_of([&] { evaluate(model, options); }), "did you mean 'choice_likelihood'?"));
}

}  // namespace tacit
