#include "eval/task.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "datasets/coconut_file.h"
#include "datasets/generated_task.h"
#include "datasets/lines.h"
#include "datasets/text_audit.h"
#include "eval/prompts.h"
#include "eval/public_tasks.h"
#include "eval/scorers/scorers.h"
#include "eval/scorers/word_scorers.h"
#include "eval/verdict.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/nearest.h"
#include "lib/core/rng.h"

namespace tacit {
namespace {

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

constexpr auto kProsqaPublished = "https://github.com/facebookresearch/coconut data/prosqa_valid.json",
               kGsm8kAugPublished = "https://github.com/da03/Internalize_CoT_Step_by_Step data/gsm8k/test.txt";

void require_data(const TaskOptions& options, const char* name, const char* file, const char* published) {
  require(!options.data.empty(), "load_task", "expected the data file of task '", name, "' (--data: ", file,
          ") but got none; it is published at ", published);
}

std::vector<Example> load_prosqa(const TaskOptions& options) {
  require_data(options, "prosqa", "prosqa_valid.json", kProsqaPublished);
  return read_prosqa(options.data, options.reach.style, options.reach.labels, options.seed);
}

std::vector<Example> load_gsm8k_aug(const TaskOptions& options) {
  require_data(options, "gsm8k_aug", "lines 'question||<<..>> #### answer', or Coconut's JSON", kGsm8kAugPublished);
  return read_coconut(options.data);
}

std::vector<Heuristic> reach_heuristics(const std::vector<Example>& examples, const Scorer&) {
  const bool graphs =
      std::ranges::all_of(examples, [](const Example& e) { return e.meta.is_object() && e.meta.contains("graph"); });
  return graphs ? audit_reach(examples).heuristics : std::vector<Heuristic>();
}

// The files of a generated task are JSON lines of examples, or those of the benchmark that has its name.
std::vector<Example> read_generated_file(const TaskSpec* published, const std::filesystem::path& file) {
  std::string first;
  for_each_line(file, "load_task", [&](std::string_view line, int64_t number) {
    if (number == 1) first = line.substr(0, 1);
  });
  return published == nullptr || first.empty() || first == "{" ? read_generated_examples(file)
                                                               : read_problems(*published, file);
}

std::vector<std::string> formats_of(const TaskSpec& spec) {
  std::vector<std::string> out;
  for (const FormSpec& form : spec.forms) {
    const std::string& name = record_format_names()[static_cast<size_t>(form.records.format)];
    if (std::ranges::find(out, name) == out.end()) out.push_back(name);
  }
  return out;
}

std::vector<Scorer> scorers_of(const TaskSpec& spec) {
  std::vector<Scorer> out;
  for (const ScorerSpec& each : spec.scorers) out.push_back(stopping_at(scorer(each.name, each.options), spec.stop));
  return out;
}

// Generated problems are scored as those of the benchmark that has the task's name, where there is one.
Task made_task(const GeneratedTask& made) {
  Task out;
  out.name = made.name;
  out.summary = made.summary;
  const TaskSpec* published = find_public_task(made.name);
  if (published != nullptr) {
    out.formats = formats_of(*published);
    out.published = published->published;
    out.licence = published->licence;
  }
  out.load = [name = made.name, published](const TaskOptions& options) {
    if (!options.data.empty()) return read_generated_file(published, options.data);
    const Generator generator = open_generator(name, options.generator);
    return generate(options.count, [&](int64_t i) { return generator.example(options.seed, i); });
  };
  out.scorers = published == nullptr ? std::vector{scorer("as_it_stands")} : scorers_of(*published);
  out.heuristics = [rules = made.rules](const std::vector<Example>& examples, const Scorer& scorer) {
    return audit_text(examples, rules, verdict_of(scorer)).heuristics;
  };
  out.generated = true;
  return out;
}

std::vector<Task> all_tasks() {
  std::vector<Task> all = {
      {.name = "reach",
       .summary = generated_task("reach").summary,
       .load = load_reach,
       .scorers = {scorer("as_it_stands")},
       .heuristics = reach_heuristics,
       .generated = true},
      {.name = "prosqa",
       .summary = "ProsQA: reachability told as sentences [Coconut, arXiv:2412.06769]; as English or as symbols",
       .load = load_prosqa,
       .scorers = {scorer("as_it_stands")},
       .heuristics = reach_heuristics,
       .renders_data = true,
       .formats = {"json"},
       .published = kProsqaPublished,
       .licence = "MIT"},
      {.name = "gsm8k_aug",
       .summary = "GSM8K-Aug: word problems with their equations as steps [arXiv:2311.01460]; from a file",
       .load = load_gsm8k_aug,
       .scorers = {scorer("first_word", {{"behind", "###"}, {"ignore_commas", true}})},
       .formats = {"lines", "json"},
       .published = kGsm8kAugPublished,
       .licence = "MIT"},
  };
  for (const GeneratedTask& made : generated_tasks()) {
    if (made.name != "reach") all.push_back(made_task(made));
  }
  for (const TaskSpec& spec : public_tasks()) {
    if (!is_generated(spec.name)) all.push_back(make_task(spec));
  }
  return all;
}

const std::vector<Task>& tasks() {
  static const std::vector<Task> all = all_tasks();
  return all;
}

// What always giving the most frequent answer scores, where answers are so few that it says something.
std::vector<Heuristic> majority_answer(const std::vector<Example>& examples, const Scorer& scorer) {
  constexpr size_t kFew = 10, kTimes = 5;  // different answers at most; how often each has to come in the mean
  std::set<std::string> answers;
  for (const Example& example : examples) answers.insert(example.answer);
  const bool choice = std::ranges::any_of(examples, [](const Example& e) { return !e.choices.empty(); });
  if (examples.empty() || (!choice && (answers.size() > kFew || answers.size() * kTimes > examples.size()))) return {};
  return audit_text(examples, {}, verdict_of(scorer)).heuristics;
}

// A file is read once for each content it has: tasks that were handed out stay what they are.
const Task& task_of_file(const std::filesystem::path& file) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, std::string>, Task> known;  // by path and content
  const std::string content = read_file(file, "read_task");
  const std::lock_guard lock(mutex);
  const auto key = std::pair{file.string(), sha256_hex(content)};
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  const Json json = parse_json_unique(content, "read_task", file.string());
  Task out = make_task(read_task_spec(json, file.string(), file.parent_path()));
  require(std::ranges::find(tasks(), out.name, &Task::name) == tasks().end(), "read_task",
          "expected a name of its own but got '", out.name, "', as a built-in task is called, in ", file.string());
  out.file_sha256 = key.second;
  return known.emplace(key, std::move(out)).first->second;
}

}  // namespace

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const Task& t : tasks()) names.push_back(t.name);
  return names;
}

bool is_task_file(const std::string& name) { return name.ends_with(".json"); }

Task make_task(const TaskSpec& spec) {
  Task out;
  out.name = spec.name;
  out.summary = spec.summary;
  out.load = [spec](const TaskOptions& options) {
    const std::filesystem::path file = options.data.empty() ? spec.data : options.data;
    require(!file.empty(), "load_task", "expected the data file of task '", spec.name, "' (--data) but got none",
            spec.published.empty() ? "" : "; it is published at " + spec.published);
    return read_problems(spec, file);
  };
  out.scorers = scorers_of(spec);
  out.heuristics = majority_answer;
  out.max_answer_tokens = out.max_sentence_tokens = spec.max_answer_tokens;
  out.prompt = spec.prompt;
  out.stop = spec.stop;
  out.data = spec.data;
  out.formats = formats_of(spec);
  out.published = spec.published;
  out.licence = spec.licence;
  return out;
}

std::filesystem::path data_of(const Task& task, const TaskOptions& options) {
  return options.data.empty() ? task.data : options.data;
}

const Task& task(const std::string& name) {
  if (is_task_file(name)) return task_of_file(name);
  for (const Task& t : tasks()) {
    if (t.name == name) return t;
  }
  std::string known;
  for (const std::string& n : task_names()) known += (known.empty() ? "" : ", ") + n;
  fail("task", "expected one of ", known, ", or a task file that ends with .json, but got '", name, "'",
       did_you_mean(name, task_names()));
}

void limit_examples(std::vector<Example>& examples, int64_t limit, std::optional<uint64_t> seed) {
  require(limit >= 0, "load_task", "expected a limit of at least 0 but got ", limit);
  if (limit == 0 || limit >= std::ssize(examples)) return;
  if (seed) {
    std::vector<int64_t> drawn = Rng(*seed).permutation(std::ssize(examples));
    drawn.resize(limit);
    std::ranges::sort(drawn);
    for (int64_t n = 0; n < limit; ++n) std::swap(examples[n], examples[drawn[n]]);  // drawn[n] >= n, in rising order
  }
  examples.resize(limit);
}

std::vector<Example> load_examples(const Task& task, const TaskOptions& options, int64_t limit,
                                   std::optional<uint64_t> limit_seed) {
  std::vector<Example> examples = task.load(options);
  const std::filesystem::path file = data_of(task, options);
  const std::string source = file.empty() ? "task " + task.name : file.string();
  require(!examples.empty(), "load_task", "expected at least one example but got none in ", source);
  limit_examples(examples, limit, limit_seed);
  if (options.lines && !uses_template(task, options)) {
    for (Example& example : examples) example.question = question_line(example.question);
  }
  return examples;
}

int64_t answer_tokens(const Task& task, const std::vector<Example>& examples, const TaskOptions& options) {
  require(options.max_answer_tokens >= 0, "load_task", "expected a number of answer tokens of at least 0 but got ",
          options.max_answer_tokens);
  if (options.max_answer_tokens > 0) return options.max_answer_tokens;
  const bool sentences =
      std::any_of(examples.begin(), examples.end(), [](const Example& e) { return is_sentence(e.answer); });
  return sentences ? task.max_sentence_tokens : task.max_answer_tokens;
}

}  // namespace tacit
