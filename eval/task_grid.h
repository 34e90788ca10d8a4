#pragma once

#include <string>
#include <vector>

#include "eval/task_table.h"

namespace tacit {

// The results that a table of tasks is made of, in its order; null where there is none.
struct TaskGrid {
  std::vector<std::string> rows, columns;
  std::vector<std::vector<TaskResult*>> cells;  // by row and column; they lie with the caller
};

std::string joined_with(const std::vector<std::string>& parts, const char* between = ", ");

// Of TaskTable::baselines: "†", "‡", ..
std::string baseline_mark(size_t baseline);

// Problems, tests and what their marks say, missing cells, the mean, the rules, what results of a row or a column
// differ in.
std::vector<std::string> notes_on_tasks(const TaskGrid& grid, const TaskTable& table);

}  // namespace tacit
