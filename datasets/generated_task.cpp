#include "datasets/generated_task.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "datasets/generators.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {

const std::vector<GeneratedTask>& generated_tasks() {
  static const std::vector<GeneratedTask> all = {reach_task(),   pointer_task(), chain_task(),
                                                 listops_task(), walks_task(),   maze_task()};
  return all;
}

std::vector<std::string> generated_task_names() {
  std::vector<std::string> names;
  for (const GeneratedTask& task : generated_tasks()) names.push_back(task.name);
  return names;
}

bool is_generated(const std::string& task) {
  return std::ranges::any_of(generated_tasks(), [&](const GeneratedTask& t) { return t.name == task; });
}

const GeneratedTask& generated_task(const std::string& name) {
  for (const GeneratedTask& task : generated_tasks()) {
    if (task.name == name) return task;
  }
  std::string known;
  for (const std::string& n : generated_task_names()) known += (known.empty() ? "" : ", ") + n;
  fail("generated_task", "expected one of ", known, " but got '", name, "'",
       did_you_mean(name, generated_task_names()));
}

Generator open_generator(const std::string& task, const Json& options, const std::string& source) {
  const GeneratedTask& made = generated_task(task);
  const Json given = options.is_null() ? Json::object() : options;
  return made.open(JsonReader(given, task, source));
}

std::vector<Example> read_generated_examples(const std::filesystem::path& path) {
  std::map<std::string, std::string> ids;  // and where they stand
  return read_examples(path, [&](const Example& example, const std::string& source) {
    const auto [first, fresh] = ids.emplace(example.id, source);
    require(fresh, "read_examples", "expected ids that differ but got '", example.id, "' in ", first->second,
            " and again in ", source);
    require(example.answer.find_first_not_of(" \t\r\n") != std::string::npos, "read_examples",
            "expected an 'answer' but got an empty one in ", source);
  });
}

Range read_range(const JsonReader& in, const char* name, Range fallback, int64_t low, int64_t high) {
  if (!in.has(name)) return fallback;
  const std::string expectation =
      "to be a number, or [least, most], from " + std::to_string(low) + " to " + std::to_string(high);
  Range range;
  if (in.json().at(name).is_array()) {
    const std::vector<int64_t> ends = in.integers(name);
    if (ends.size() != 2) in.reject(name, expectation);
    range = {ends[0], ends[1]};
  } else {
    range.low = range.high = in.integer_in(name, low, high);
  }
  if (range.low < low || range.high > high || range.low > range.high) in.reject(name, expectation);
  return range;
}

OrderedJson to_json(Range range) { return OrderedJson::array({range.low, range.high}); }

int64_t integer_or(const JsonReader& in, const char* name, int64_t fallback, int64_t low, int64_t high) {
  return in.has(name) ? in.integer_in(name, low, high) : fallback;
}

std::vector<std::string> with_marks(std::vector<std::string> words) {
  for (const char* mark : {"[A]", "[T]", "[P]", ";", "[E]"}) words.emplace_back(mark);
  return words;
}

std::vector<std::string> number_words(int64_t count) {
  std::vector<std::string> words;
  for (int64_t number = 0; number < count; ++number) words.push_back(std::to_string(number));
  return words;
}

Example named_example(const char* task, uint64_t seed, int64_t index) {
  require(index >= 0, task, "expected an index of at least 0 but got ", index);
  Example example;
  example.id = std::string(task) + "-" + std::to_string(seed) + "/" + std::to_string(index);
  example.meta = OrderedJson::object();
  return example;
}

Rng example_rng(uint64_t seed, int64_t index, GeneratorStream stream) {
  return Rng(seed, static_cast<uint64_t>(index), stream);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::vector<std::string> split_words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

}  // namespace tacit
