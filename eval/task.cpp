#include "eval/task.h"

#include <algorithm>
#include <sstream>

#include "datasets/coconut_file.h"
#include "datasets/generated_task.h"
#include "datasets/lines.h"
#include "datasets/text_audit.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

bool is_sentence(const std::string& answer) { return answer.find(' ') != std::string::npos; }

// One space between words, none around them.
std::string single_spaced(const std::string& text) {
  std::istringstream words(text);
  std::string out, word;
  while (words >> word) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::string first_word(const std::string& text) {
  std::istringstream words(text);
  std::string word;
  words >> word;
  return word;
}

// The chain of thought and the answer may stand in one text, "...\n### Tom is a lempus." [facebookresearch/coconut,
// run.py].
std::string answer_sentence(const std::string& text) {
  const size_t mark = text.rfind("###");
  std::string tail = mark == std::string::npos ? text : text.substr(mark + 3);
  const size_t begin = tail.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return single_spaced(tail.substr(begin, tail.find('\n', begin) - begin));
}

std::string without_stop(std::string text) {
  if (text.ends_with('.')) text.pop_back();
  return single_spaced(text);
}

std::string extract(const Example& example, const std::string& text) {
  return is_sentence(example.answer) ? answer_sentence(text) : first_word(text);
}

bool correct(const Example& example, const std::string& answer) {
  if (!is_sentence(example.answer)) return answer == example.answer;
  return without_stop(single_spaced(answer)) == without_stop(single_spaced(example.answer));
}

// The answer as it stands. One-word answers: the first word. Sentences: as Coconut does, what stands after the last
// "### " (all of it when there is none), up to the end of the line, white space normalised.
Scorer as_it_stands() {
  return make_scorer("exact_match", "the first word, or the sentence after ###, is the answer", extract, correct);
}

// "1,400" and "1400" are one number, as in the original [facebookresearch/coconut, run.py].
std::string without_commas(std::string text) {
  std::erase(text, ',');
  return text;
}

std::vector<Example> generate(int64_t count, const std::function<Example(int64_t index)>& example) {
  require(count >= 1, "load_task", "expected a count of at least 1 problem but got ", count);
  std::vector<Example> examples;
  for (int64_t i = 0; i < count; ++i) examples.push_back(example(i));
  return examples;
}

std::vector<Example> load_reach(const TaskOptions& options) {
  if (!options.data.empty()) return read_reach_examples(options.data);
  return generate(options.count, [&](int64_t i) { return reach_example(options.reach, options.seed, i); });
}

void require_data(const TaskOptions& options, const char* name, const char* file) {
  require(!options.data.empty(), "load_task", "expected the data file of task '", name, "' (", file, ") but got none");
}

std::vector<Example> load_prosqa(const TaskOptions& options) {
  require_data(options, "prosqa", "prosqa_valid.json");
  return read_prosqa(options.data, options.reach.style, options.reach.labels, options.seed);
}

std::vector<Example> load_gsm8k_aug(const TaskOptions& options) {
  require_data(options, "gsm8k_aug", "lines 'question||<<..>> #### answer', or Coconut's JSON");
  return read_coconut(options.data);
}

std::vector<Heuristic> reach_heuristics(const std::vector<Example>& examples) {
  const bool graphs =
      std::ranges::all_of(examples, [](const Example& e) { return e.meta.is_object() && e.meta.contains("graph"); });
  return graphs ? audit_reach(examples).heuristics : std::vector<Heuristic>();
}

Task made_task(const GeneratedTask& made) {
  Task out;
  out.name = made.name;
  out.summary = made.summary;
  out.load = [name = made.name](const TaskOptions& options) {
    if (!options.data.empty()) return read_generated_examples(options.data);
    const Generator generator = open_generator(name, options.generator);
    return generate(options.count, [&](int64_t i) { return generator.example(options.seed, i); });
  };
  out.scorers = {as_it_stands()};
  out.heuristics = [rules = made.rules](const std::vector<Example>& examples) {
    return audit_text(examples, rules).heuristics;
  };
  out.generated = true;
  return out;
}

std::vector<Task> all_tasks() {
  std::vector<Task> all = {
      {.name = "reach",
       .summary = generated_task("reach").summary,
       .load = load_reach,
       .scorers = {as_it_stands()},
       .heuristics = reach_heuristics,
       .generated = true},
      {.name = "prosqa",
       .summary = "ProsQA: reachability told as sentences [Coconut, arXiv:2412.06769]; as English or as symbols",
       .load = load_prosqa,
       .scorers = {as_it_stands()},
       .heuristics = reach_heuristics,
       .renders_data = true},
      {.name = "gsm8k_aug",
       .summary = "GSM8K-Aug: word problems with their equations as steps [arXiv:2311.01460]; from a file",
       .load = load_gsm8k_aug,
       .scorers = {make_scorer(
           "exact_match", "the first word after ###, commas aside, is the answer",
           [](const Example&, const std::string& text) { return first_word(answer_sentence(text)); },
           [](const Example& example, const std::string& answer) {
             return without_commas(answer) == without_commas(example.answer);
           })}},
  };
  for (const GeneratedTask& made : generated_tasks()) {
    if (made.name != "reach") all.push_back(made_task(made));
  }
  return all;
}

const std::vector<Task>& tasks() {
  static const std::vector<Task> all = all_tasks();
  return all;
}

}  // namespace

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const Task& t : tasks()) names.push_back(t.name);
  return names;
}

const Task& task(const std::string& name) {
  for (const Task& t : tasks()) {
    if (t.name == name) return t;
  }
  std::string known;
  for (const std::string& n : task_names()) known += (known.empty() ? "" : ", ") + n;
  fail("task", "expected one of ", known, " but got '", name, "'", did_you_mean(name, task_names()));
}

std::vector<Example> load_examples(const Task& task, const TaskOptions& options, int64_t limit) {
  require(limit >= 0, "load_task", "expected a limit of at least 0 but got ", limit);
  std::vector<Example> examples = task.load(options);
  const std::string source = options.data.empty() ? "task " + task.name : options.data.string();
  require(!examples.empty(), "load_task", "expected at least one example but got none in ", source);
  if (limit > 0 && limit < std::ssize(examples)) examples.resize(limit);
  if (options.lines) {
    for (Example& example : examples) example.question = question_line(example.question);
  }
  return examples;
}

int64_t answer_tokens(const Task& task, const std::vector<Example>& examples) {
  const bool sentences =
      std::any_of(examples.begin(), examples.end(), [](const Example& e) { return is_sentence(e.answer); });
  return sentences ? task.max_sentence_tokens : task.max_answer_tokens;
}

}  // namespace tacit
