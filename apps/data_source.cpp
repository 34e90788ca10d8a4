#include "apps/data_source.h"

#include <algorithm>

#include "datasets/coconut_file.h"
#include "datasets/generated_task.h"
#include "eval/public_tasks.h"
#include "eval/task.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

std::vector<Example> read_unnamed(const std::filesystem::path& file, const ReachOptions& reach, uint64_t seed) {
  try {
    if (reach_source(file) == ReachSource::prosqa) return read_prosqa(file, reach.style, reach.labels, seed);
    std::vector<Example> examples = read_generated_examples(file);
    return std::ranges::any_of(examples, has_graph) ? read_reach_examples(file) : examples;
  } catch (const Error& error) {
    const std::string text = error.what();  // "[operation] .."
    const size_t end = text.find("] ");
    throw Error(text.substr(1, end - 1), text.substr(end + 2) + " ('--task' says of which task a file is)");
  }
}

}  // namespace

bool has_graph(const Example& example) { return example.meta.is_object() && example.meta.contains("graph"); }

std::optional<TaskSpec> spec_of_task(const std::string& task) {
  if (is_task_file(task)) return open_task_spec(task);
  if (const TaskSpec* spec = find_public_task(task)) return *spec;
  return {};
}

bool holds_task(const std::filesystem::path& file) {
  if (!is_task_file(file.string()) || !std::filesystem::is_regular_file(file)) return false;
  if (reach_source(file) == ReachSource::prosqa) return false;
  try {
    const Json json = read_json(file, "data");
    return json.is_object() && json.contains("scorers");
  } catch (const Error&) {
    return false;  // whoever reads it says what is wrong with it
  }
}

std::vector<Example> read_data(const std::string& task, const std::filesystem::path& file, const ReachOptions& reach,
                               uint64_t seed) {
  if (task.empty()) return read_unnamed(file, reach, seed);
  if (task == "prosqa") return read_prosqa(file, reach.style, reach.labels, seed);
  if (task == "gsm8k_aug") return read_coconut(file);
  if (task == "reach") return read_reach_examples(file);
  if (const std::optional<TaskSpec> spec = spec_of_task(task))
    return read_problems(*spec, file, /*empty_answers=*/true);
  return read_generated_examples(file);
}

ReachSource source_of_data(const std::string& task, const std::filesystem::path& file) {
  if (task.empty()) return reach_source(file);
  return task == "prosqa" ? ReachSource::prosqa : ReachSource::text;
}

}  // namespace tacit
