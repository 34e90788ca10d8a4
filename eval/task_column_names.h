#pragma once

#include <string>
#include <vector>

#include "eval/task_results.h"

namespace tacit {

// Names for sets of problems that differ, a result of each: the task's name; the stem of the data file where a task has
// several; behind it, where that still names two, what they differ in: "reach (min_depth 3, seed 7)". Fails where
// nothing that is recorded tells two apart in words.
std::vector<std::string> name_task_columns(const std::vector<const TaskResult*>& columns);

// Whether two sets of problems may have some in common, as far as they record it.
bool may_share_problems(const TaskResult& a, const TaskResult& b);

}  // namespace tacit
