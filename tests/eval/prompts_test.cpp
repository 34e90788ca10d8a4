#include "eval/prompts.h"

#include <doctest/doctest.h>

#include <set>

#include "tests/eval/run_support.h"

namespace tacit {
namespace {

using namespace tacit::test;

Task plain_task() {
  return make_task(read_task_spec(Json::parse(R"({"name": "t", "format": "jsonl",
    "fields": {"question": "q", "answer": "a", "steps": {"from": "s", "optional": true}},
    "prompt": "Q: {question}\nA:", "solution": " {steps} so {answer}", "separator": "\n--\n",
    "scorers": ["first_word"], "stop": ["\n"]})"),
                                  "test"));
}

void put_numbers(const std::filesystem::path& file, int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) {
    text += R"({"q": "number )" + std::to_string(i) + R"(?", "a": ")" + std::to_string(i) +
            R"(", "s": ["{answer}", "y"]})" + "\n";
  }
  put(file, text);
}

std::vector<std::string> prompts(const Task& task, const TaskOptions& options) {
  return render_prompts(task, load_examples(task, options), options);
}

TEST_CASE("templates: their own words are replaced, other braces and what questions hold are not") {
  PromptSpec prompt;
  prompt.question = "{question} {x}\n{choices}\nA:";
  prompt.solution = " \\boxed{{answer}} {steps}";
  const Example example{
      .id = "", .question = "{answer}?", .steps = {"one", "{question}"}, .answer = "B", .choices = {"{text}", "no"}};
  CHECK(render_question(prompt, example) == "{answer}? {x}\n(A) {text}\n(B) no\nA:");
  CHECK(render_solved(prompt, example) == "{answer}? {x}\n(A) {text}\n(B) no\nA: \\boxed{B} one\n{question}");
}

TEST_CASE("shots: as many as asked for, the same by seed for all questions, never the question itself") {
  const ScratchFolder scratch;
  put_numbers(scratch / "data.jsonl", 6);
  const Task task = plain_task();
  TaskOptions options{.seed = 4, .shots = 2};
  options.data = scratch / "data.jsonl";
  const std::vector<std::string> first = prompts(task, options);
  REQUIRE(first.size() == 6);
  std::set<std::string> beginnings;
  for (int64_t i = 0; i < 6; ++i) {
    const std::string asked = "Q: number " + std::to_string(i) + "?\nA:";
    CAPTURE(first[i]);
    CHECK(first[i].ends_with("\n--\n" + asked));
    CHECK(first[i].find(asked) == first[i].size() - asked.size());
    int64_t solved = 0;
    for (size_t at = first[i].find(" so "); at != std::string::npos; at = first[i].find(" so ", at + 1)) ++solved;
    CHECK(solved == 2);
    CHECK(holds(first[i], " {answer}\ny so "));
    beginnings.insert(first[i].substr(0, first[i].size() - asked.size()));
  }
  CHECK(beginnings.size() == 3);  // the two shots for all others, and in place of either one more
  CHECK(prompts(task, options) == first);
  options.seed = 5;
  CHECK(prompts(task, options) != first);

  put_numbers(scratch / "train.jsonl", 9);
  options.shots_data = scratch / "train.jsonl";
  options.shots = 8;
  CHECK(prompts(task, options).size() == 6);
  options.shots = 9;
  CHECK(holds(error_of([&] { prompts(task, options); }), "expected 9 solved examples beside 'data/0' but got 8"));
}

TEST_CASE("where there is no template there are no shots") {
  const ScratchFolder scratch;
  put_numbers(scratch / "data.jsonl", 3);
  Task task = plain_task();
  TaskOptions options{.data = scratch / "data.jsonl", .shots = 1};
  CHECK(prompts(task, options).size() == 3);
  options.prompt = PromptStyle::plain;
  CHECK(holds(error_of([&] { prompts(task, options); }), "but task 't' is asked plainly"));
  options.shots = 0;
  CHECK(prompts(task, options)[0] == "number 0?");
  options.prompt = PromptStyle::automatic;
  options.lines = true;  // a checkpoint that was trained on such lines
  CHECK(prompts(task, options)[0] == "number 0?\n");
  options.prompt = PromptStyle::in_template;
  CHECK(prompts(task, options)[0] == "Q: number 0?\nA:");
  task.prompt.solution = "";
  options.shots = 1;
  CHECK(holds(error_of([&] { prompts(task, options); }), "whose file holds solutions"));
  task.prompt.question = "";
  CHECK(holds(error_of([&] { prompts(task, options); }), "but task 't' has none"));
}

TEST_CASE("a chat template stands around all of it") {
  const ScratchFolder scratch;
  put_numbers(scratch / "data.jsonl", 2);
  TaskOptions options{.data = scratch / "data.jsonl", .chat = true};
  const Task task = plain_task();
  const auto texts = render_prompts(task, load_examples(task, options), options, &chat_template("chatml"));
  CHECK(texts.at(1) == "<|im_start|>user\nQ: number 1?\nA:<|im_end|>\n<|im_start|>assistant\n");
}

TEST_CASE("texts end before the first stop string") {
  CHECK(cut_at_stop("a\nb||c", {"||", "\n"}) == "a");
  CHECK(cut_at_stop("a", {"||"}) == "a");
  CHECK(cut_at_stop("a", {}) == "a");
  CHECK(cut_at_stop("||a", {"||"}).empty());
}

TEST_CASE("run.json holds the prompt: a run with another one is not the same run") {
  const ScratchFolder scratch;
  put(scratch / "data.jsonl",
      "{\"q\": \"1 2\", \"a\": \"3\"}\n{\"q\": \"2 3\", \"a\": \"4\"}\n{\"q\": \"4 5\", \"a\": \"6\"}\n");
  Json json = Json::parse(R"({"name": "sums", "format": "jsonl", "data": "data.jsonl",
      "fields": {"question": "q", "answer": "a"}, "prompt": "| {question} [A]", "solution": " {answer}", "separator": " ",
      "scorers": ["first_word"], "stop": ["|"]})");
  put(scratch / "sums.json", json.dump());
  const LoadedModel model = tiny_checkpoint();
  RunOptions options;
  options.task = (scratch / "sums.json").string();
  options.latency_problems = 0;
  options.out = scratch / "run";
  options.task_options.shots = 1;
  const Run run = evaluate(model, options);
  CHECK(run.metrics.task == "sums");
  CHECK(run.metrics.examples == 3);
  CHECK(run.samples[0].question.starts_with("|"));
  CHECK(run.record.at("data") == "data.jsonl");
  CHECK(run.record.at("prompt").at("template") == "| {question} [A]");
  CHECK(run.record.at("prompt").at("shots") == 1);
  CHECK(run.record.at("prompt").at("stop") == OrderedJson::array({"|"}));
  CHECK(evaluate(model, options).metrics.examples == 3);  // the finished run
  const auto refused = [&](const RunOptions& other) { return error_of([&] { evaluate(model, other); }); };
  RunOptions other = options;
  other.task_options.shots = 2;
  CHECK(holds(refused(other), "expected 'prompt.shots' of 1"));
  other = options;
  other.task_options.seed = 3;
  CHECK(holds(refused(other), "expected 'prompt.shots_seed' of 0"));
  other = options;
  other.task_options.shots = 0;
  other.task_options.prompt = PromptStyle::plain;
  CHECK(holds(refused(other), "expected 'prompt.template'"));
  other = options;
  other.task_options.max_answer_tokens = 3;
  CHECK(holds(refused(other), "expected 'max_answer_tokens'"));
  json["stop"] = {"]"};
  put(scratch / "sums.json", json.dump());
  CHECK(holds(refused(options), "expected 'task_sha256'"));
}

}  // namespace
}  // namespace tacit
