#include "eval/task.h"

#include <doctest/doctest.h>

#include "datasets/generated_task.h"
#include "lib/core/files.h"
#include "tests/lib/core_support.h"

namespace tacit {
namespace {

std::string extracted(const Task& task, const Example& example, const std::string& text) {
  return task.scorers.at(0).score(example, text).answer;
}
bool correct(const Task& task, const Example& example, const std::string& text) {
  return task.scorers.at(0).score(example, text).correct;
}

Example with_answer(const std::string& answer) { return {.id = "x", .question = "?", .answer = answer}; }

TEST_CASE("answers in symbols: the first word counts, exactly") {
  const Task& reach = task("reach");
  const Example example = with_answer("3");
  struct Case {
    const char *text, *answer;
    bool correct;
  };
  for (const Case& c : {Case{"3", "3", true},
                        {"  3 17 [A]", "3", true},
                        {"17 3", "17", false},
                        {"3.", "3.", false},
                        {"33", "33", false},
                        {"", "", false},
                        {" \n\t ", "", false}}) {
    CAPTURE(c.text);
    CHECK(extracted(reach, example, c.text) == c.answer);
    CHECK(correct(reach, example, c.text) == c.correct);
  }
}

TEST_CASE("answers in English: the whole sentence counts, after ### if there is one") {
  const Task& prosqa = task("prosqa");
  const Example example = with_answer("Tom is a lempus.");
  struct Case {
    const char *text, *answer;
    bool correct;
  };
  for (const Case& c : {Case{"Tom is a lempus.", "Tom is a lempus.", true},
                        {" Tom  is a lempus", "Tom is a lempus", true},
                        {"Tom is a terpus.\n### Tom is a lempus.", "Tom is a lempus.", true},
                        {"###\nTom is a lempus.\nTom", "Tom is a lempus.", true},
                        {"### Tom is a lempus. ", "Tom is a lempus.", true},
                        {"Tom is a lempus.\n### Tom is a scrompus.", "Tom is a scrompus.", false},
                        {"tom is a lempus.", "tom is a lempus.", false},
                        {"lempus", "lempus", false},
                        {"Tom is a lempus. Tom is a scrompus.", "Tom is a lempus. Tom is a scrompus.", false},
                        {"Tom is a terpus. ###", "", false}}) {
    CAPTURE(c.text);
    CHECK(extracted(prosqa, example, c.text) == c.answer);
    CHECK(correct(prosqa, example, c.text) == c.correct);
  }
}

TEST_CASE("sentences may be longer than labels") {
  const Task& reach = task("reach");
  CHECK(answer_tokens(reach, {with_answer("3")}) == 8);
  CHECK(answer_tokens(reach, {with_answer("3"), with_answer("Tom is a lempus.")}) == 32);
}

TEST_CASE("generated problems are those of the generator; a file is read as it is") {
  const ScratchFolder scratch;
  TaskOptions options;
  options.seed = 3;
  options.count = 5;
  const auto generated = load_examples(task("reach"), options);
  REQUIRE(generated.size() == 5);
  for (int64_t i = 0; i < 5; ++i) CHECK(to_json(generated[i]) == to_json(reach_example(options.reach, 3, i)));
  CHECK(load_examples(task("reach"), options, 2).size() == 2);
  CHECK(load_examples(task("reach"), options, 9).size() == 5);

  write_examples(scratch / "data.jsonl", generated);
  TaskOptions from_file;
  from_file.data = scratch / "data.jsonl";
  const auto read = load_examples(task("reach"), from_file);
  REQUIRE(read.size() == 5);
  for (size_t i = 0; i < 5; ++i) CHECK(to_json(read[i]) == to_json(generated[i]));
}

TEST_CASE("generated tasks: those of the generator, with its options; a file is read as it is") {
  const ScratchFolder scratch;
  for (const std::string& name : generated_task_names()) {
    if (name == "reach") continue;
    CAPTURE(name);
    TaskOptions options;
    options.seed = 3;
    options.count = 4;
    const Generator generator = open_generator(name);
    const auto generated = load_examples(task(name), options);
    REQUIRE(generated.size() == 4);
    for (int64_t i = 0; i < 4; ++i) {
      CHECK(to_json(generated[i]) == to_json(generator.example(3, i)));
      CHECK(correct(task(name), generated[i], " " + generated[i].answer + " and more"));
      CHECK(!correct(task(name), generated[i], "x" + generated[i].answer));
    }
    CHECK(task(name).heuristics(generated, task(name).scorers[0]).size() == generated_task(name).rules.size() + 1);
    options.generator = {{"depthh", 3}};
    CHECK(holds(error_of([&] { load_examples(task(name), options); }), "'depthh'"));
    write_examples(scratch / name, generated);
    const auto read = load_examples(task(name), {.data = scratch / name});
    REQUIRE(read.size() == 4);
    for (size_t i = 0; i < 4; ++i) CHECK(to_json(read[i]) == to_json(generated[i]));
  }
  TaskOptions deep;
  deep.generator = {{"depth", 9}};
  for (const Example& example : load_examples(task("pointer"), deep)) CHECK(example.meta.at("depth") == 9);
}

TEST_CASE("GSM8K-Aug: the number behind ###, commas aside; questions end their line for a checkpoint of such text") {
  const Task& gsm = task("gsm8k_aug");
  const Example example = with_answer("70000");
  struct Case {
    const char *text, *answer;
    bool correct;
  };
  for (const Case& c : {Case{" 70000", "70000", true},
                        {"70,000 dollars", "70,000", true},
                        {"<<1+1=2>>\n### 70000", "70000", true},
                        {" 7000", "7000", false},
                        {"###", "", false}}) {
    CAPTURE(c.text);
    CHECK(extracted(gsm, example, c.text) == c.answer);
    CHECK(correct(gsm, example, c.text) == c.correct);
  }
  const ScratchFolder scratch;
  put(scratch / "gsm.txt", "How many?||<<1+1=2>> #### 2\n");
  TaskOptions options;
  options.data = scratch / "gsm.txt";
  CHECK(load_examples(gsm, options).at(0).question == "How many?");
  options.lines = true;
  CHECK(load_examples(gsm, options).at(0).question == "How many?\n");
  CHECK(holds(error_of([&] { load_examples(gsm, {}); }), "expected the data file of task 'gsm8k_aug'"));
}

TEST_CASE("bad tasks and data") {
  const ScratchFolder scratch;
  CHECK(holds(error_of([] { task("prosqua"); }),
              "expected one of reach, prosqa, gsm8k_aug, pointer, chain, listops, walks, maze, prontoqa, gsm8k, "
              "gsm_hard, svamp, "
              "multiarith, aqua, strategyqa, math500, bbh, countdown, sudoku, multiplication, clutrr, or a task file "
              "that ends with "
              ".json, but got 'prosqua', did you mean "
              "'prosqa'"));
  TaskOptions options;
  options.count = 0;
  CHECK(holds(error_of([&] { load_examples(task("reach"), options); }), "count of at least 1 problem but got 0"));
  options.data = scratch / "data.jsonl";
  write_file_atomic(options.data, "", "test");
  CHECK(holds(error_of([&] { load_examples(task("reach"), options); }),
              "at least one example but got none in " + options.data.string()));
  write_examples(options.data, {with_answer("1"), with_answer("2")});
  CHECK(holds(error_of([&] { load_examples(task("reach"), options, 1); }), "expected ids that differ but got 'x'"));
}

}  // namespace
}  // namespace tacit
