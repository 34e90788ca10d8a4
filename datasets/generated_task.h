#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "datasets/example.h"

namespace tacit {

// A task's generator bound to its options.
struct Generator {
  OrderedJson options;  // all of them, defaults included
  std::vector<std::string>
      vocabulary;  // every word of its texts in id order; the marks "[A]" "[T]" "[P]" ";" "[E]" last
  // Example `index` of the endless data set named by `seed`: a pure function, the same on every machine. meta.depth
  // says how long the reasoning is. Fails on an index below 0, and where the options ask for what is too rare to be
  // found.
  std::function<Example(uint64_t seed, int64_t index)> example;
  int64_t max_words = 0;  // that the reference chain of thought may take
};

// A rule that never does the reasoning.
struct GuessRule {
  std::string name;
  std::string rule;                                          // one sentence
  std::function<std::string(const Example& example)> guess;  // "" where it says nothing
};

// A task whose problems are made, not stored.
struct GeneratedTask {
  std::string name;     // "pointer"
  std::string summary;  // one line
  // Keeps the default of what is not given. Fails naming the field that is unknown or out of range.
  std::function<Generator(const JsonReader& options)> open;
  std::vector<GuessRule> rules;  // none for reach, whose rules look at the graph (audit_reach)
};

// reach, pointer, chain, listops, walks, maze.
const std::vector<GeneratedTask>& generated_tasks();
std::vector<std::string> generated_task_names();
bool is_generated(const std::string& task);
const GeneratedTask& generated_task(const std::string& name);  // fails naming the known ones
// `options` null or an object; `source` stands in errors.
Generator open_generator(const std::string& task, const Json& options = {},
                         const std::string& source = "the generator's options");

// JSON lines of a generated task other than reach (read_reach_examples). Fails, naming file and line, where an id comes
// again or the answer is empty.
std::vector<Example> read_generated_examples(const std::filesystem::path& path);

}  // namespace tacit
