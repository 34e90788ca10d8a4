#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eval/report_columns.h"
#include "eval/task_results.h"

namespace tacit {

struct TaskColumn {
  std::string name;  // the task's, or its data file's, with what tells it from others
  int64_t problems = 0;
  Json problem_set;               // TaskResult::problem_set
  std::optional<Heuristic> rule;  // the best of the label-blind ones, where the task has any
};

struct TaskCell {
  double accuracy = 0;
  Interval accuracy_ci;
  std::string against;  // the row that it was tested against; "" = none
  double p_holm = 1;
  std::string from;  // the folder
};

struct TaskMean {
  double accuracy = 0;                  // unweighted
  std::optional<Interval> accuracy_ci;  // mean_interval(); none where columns may share problems
};

struct TaskRow {
  std::string name;
  std::vector<std::optional<TaskCell>> cells;  // by column
  std::optional<TaskMean> mean;                // where there are several columns and it has all of them
};

// Rows on several tasks.
struct TaskTable {
  std::vector<TaskColumn> columns;
  std::vector<TaskRow> rows;
  std::optional<double> rule_mean;     // of the best rules, where all of several columns have one
  std::vector<std::string> baselines;  // asked for, or tested against by reports, each with a mark of its own
  std::vector<std::string> notes;
};

struct TaskTableOptions {
  std::string baseline;           // row that runs are tested against; reports' tests against others are left out
  bool changed_thoughts = false;  // take rows whose thoughts were replaced
};

// Rows and columns in the order in which they come first. Fails where two evaluations would share a cell.
TaskTable task_table(std::vector<TaskResult> results, const TaskTableOptions& options = {});

// 95 % interval of the unweighted mean of K independent estimates a_k with intervals (l_k, u_k):
// from mean - sqrt(sum (a_k - l_k)^2) / K to mean + sqrt(sum (u_k - a_k)^2) / K [Zou & Donner 2008, "Construction of
// confidence limits about effect measures", Statistics in Medicine 27:1693-1702].
Interval mean_interval(const std::vector<double>& accuracies, const std::vector<Interval>& intervals);

// Names, a column a task, the mean where there are several; behind the rows the best label-blind rules, where any.
std::vector<ReportColumn> task_columns(const TaskTable& table);

std::string terminal_table(const TaskTable& table, int64_t width, bool colour);
std::string markdown_table(const TaskTable& table);
std::string latex_table(const TaskTable& table);  // notes as comments
// A line a cell, shares from 0 to 1; lines end as RFC 4180 has them.
std::string csv_table(const TaskTable& table);
OrderedJson to_json(const TaskTable& table);

}  // namespace tacit
