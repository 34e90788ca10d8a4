#include "eval/prompts.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "eval/rescore.h"
#include "eval/scorers/scorers.h"
#include "lib/core/rng.h"
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

int64_t words_in(const std::string& text) {
  std::istringstream in(text);
  int64_t count = 0;
  for (std::string word; in >> word;) ++count;
  return count;
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

TEST_CASE("a text that ends at a stop string is cut where all of it would be") {
  CHECK(ends_at_stop("a||", {"||"}));
  CHECK_FALSE(ends_at_stop("a|", {"||"}));
  CHECK_FALSE(ends_at_stop("", {"||"}));
  CHECK_FALSE(ends_at_stop("a|b", {"|bc", "b"}));  // "|bc" would cut before "b"
  CHECK(ends_at_stop("a|bd", {"|bc", "b"}));
  Rng rng(4);
  int64_t sooner = 0;
  for (int64_t n = 0; n < 2000; ++n) {
    const auto drawn = [&](int64_t least, int64_t most) {
      std::string out;
      const int64_t length = rng.between(least, most);
      for (int64_t i = 0; i < length; ++i) out += "ab|"[rng.below(3)];
      return out;
    };
    const std::vector<std::string> stop = {drawn(1, 4), drawn(1, 3)};
    const std::string text = drawn(0, 14);
    CAPTURE(text);
    CAPTURE(stop[0]);
    CAPTURE(stop[1]);
    for (size_t end = 0; end <= text.size(); ++end) {
      const std::string begun = text.substr(0, end);
      if (!ends_at_stop(begun, stop)) continue;
      CHECK(cut_at_stop(begun, stop) == cut_at_stop(text, stop));
      sooner += end < text.size();
      break;
    }
  }
  CHECK(sooner > 500);
}

TEST_CASE("generation ends at a stop string: the same scores for fewer tokens, in any batch") {
  const ScratchFolder scratch;
  std::string rows;
  for (int i = 0; i < 9; ++i) rows += "{\"q\": \"" + std::to_string(i) + " 2\", \"a\": \"3\"}\n";
  put(scratch / "data.jsonl", rows);
  const auto run_of = [&](const char* name, const std::string& stop, int64_t batch) {
    Json json = Json::parse(R"({"format": "jsonl", "data": "data.jsonl", "fields": {"question": "q", "answer": "a"},
      "scorers": ["first_word"], "max_answer_tokens": 9})");
    json["name"] = name;
    if (!stop.empty()) json["stop"] = {stop};
    put(scratch / (std::string(name) + ".json"), json.dump());
    RunOptions options = small_run();
    options.task = (scratch / (std::string(name) + ".json")).string();
    options.batch = batch;
    LoadedModel model = tiny_checkpoint();
    model.settings.markers.end = "";  // nothing else ends an answer
    return evaluate(model, options);
  };
  const Run free = run_of("free", "", 4);
  std::map<std::string, int64_t> words;  // how many answers say a word at all
  for (const Sample& sample : free.samples) {
    std::istringstream in(sample.text);
    std::set<std::string> said;
    for (std::string word; in >> word;) said.insert(word);
    for (const std::string& word : said) ++words[word];
  }
  REQUIRE(!words.empty());
  const std::string stop = std::ranges::max_element(words, {}, [](const auto& entry) { return entry.second; })->first;
  CAPTURE(stop);
  const Run stopped = run_of("stopped", stop, 4), alone = run_of("stopped", stop, 1);
  int64_t fewer = 0;
  for (size_t i = 0; i < free.samples.size(); ++i) {
    const Sample &a = free.samples[i], &b = stopped.samples[i];
    CAPTURE(a.text);
    CHECK(a.text.starts_with(b.text));
    CHECK(cut_at_stop(b.text, {stop}) == cut_at_stop(a.text, {stop}));
    CHECK(b.tokens == words_in(b.text));
    CHECK(b.tokens <= a.tokens);
    if (b.tokens < a.tokens) CHECK(b.flops < a.flops);
    fewer += b.tokens < a.tokens;
    CHECK(alone.samples[i].text == b.text);
    CHECK(alone.samples[i].tokens == b.tokens);
  }
  CHECK(fewer > 0);
}

TEST_CASE("stop strings end the answer, not the thoughts before it") {
  const Example example{.id = "1",
                        .question = "Tom is a terpus. Every terpus is a brimpus. Is Tom a brimpus or a lempus?",
                        .steps = {},
                        .answer = "Tom is a brimpus.",
                        .choices = {},
                        .meta = {}};
  Task task;
  task.name = "chains";
  task.scorers = {stopping_at(scorer("sentence"), {"\n"}), stopping_at(scorer("proof"), {"\n"})};
  Sample sample;
  sample.thoughts = "Tom is a terpus.\nEvery terpus is a brimpus.";
  sample.text = "Tom is a brimpus.\nTom is a lempus.";
  score(sample, example, task);
  CHECK(sample.correct);
  REQUIRE(sample.scores.size() == 1);
  CHECK(sample.scores[0].score.correct);  // the second line of the chain was read, that of the answer was not
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
