#include "eval/task.h"

#include <algorithm>
#include <sstream>

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

std::vector<Example> load_reach(const TaskOptions& options) {
  if (!options.data.empty()) return read_reach_examples(options.data);
  require(options.count >= 1, "load_task", "expected a count of at least 1 problem but got ", options.count);
  std::vector<Example> examples;
  for (int64_t i = 0; i < options.count; ++i) examples.push_back(reach_example(options.reach, options.seed, i));
  return examples;
}

std::vector<Example> load_prosqa(const TaskOptions& options) {
  require(!options.data.empty(), "load_task",
          "expected the data file of task 'prosqa' (prosqa_valid.json) but got none");
  return read_prosqa(options.data, options.reach.style, options.reach.labels, options.seed);
}

const std::vector<Task>& tasks() {
  static const std::vector<Task> all = {
      {"reach", "which of two nodes of a graph can be reached from the root; generated, or from JSON lines", load_reach,
       extract, correct},
      {"prosqa", "ProsQA: reachability told as sentences [Coconut, arXiv:2412.06769]; as English or as symbols",
       load_prosqa, extract, correct, /*renders_data=*/true},
  };
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
  return examples;
}

int64_t answer_tokens(const Task& task, const std::vector<Example>& examples) {
  const bool sentences =
      std::any_of(examples.begin(), examples.end(), [](const Example& e) { return is_sentence(e.answer); });
  return sentences ? task.max_sentence_tokens : task.max_answer_tokens;
}

}  // namespace tacit
