#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/options.h"
#include "apps/reach_options.h"
#include "eval/task_spec.h"

namespace tacit {

// The task as data, where it is: a public one by its name, or a task file.
std::optional<TaskSpec> spec_of_task(const std::string& task);

// Whether the example records the graph that it asks about.
bool has_graph(const Example& example);

// Whether a file is a task file rather than problems.
bool holds_task(const std::filesystem::path& file);

// The problems of a file. `task` "": JSON lines of examples, whose graphs are checked, or ProsQA's JSON (told as
// `reach` says); else the task's own file. Empty answers are left to the reader.
std::vector<Example> read_data(const std::string& task, const std::filesystem::path& file, const ReachOptions& reach,
                               uint64_t seed);
// How the file's problems are told, which decides what options can say about them.
ReachSource source_of_data(const std::string& task, const std::filesystem::path& file);

}  // namespace tacit
