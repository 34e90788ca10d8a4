#include "eval/task_table.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "eval/paired_samples.h"
#include "eval/task_column_names.h"
#include "eval/task_grid.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

constexpr const char* kMakeTable = "table";

// Removes rows whose thoughts were replaced. -> a note on them, "" where there are none
std::string leave_changed_out(std::vector<TaskResult>& results) {
  std::vector<std::string> names;
  for (const TaskResult& result : results) {
    if (result.changed && std::ranges::find(names, result.row) == names.end()) names.push_back(result.row);
  }
  std::erase_if(results, [](const TaskResult& result) { return result.changed; });
  if (names.empty()) return "";
  return "left out, since their thoughts were replaced: " + joined_with(names) + " ('--all' takes them)";
}

// Removes the tests against other rows. -> a note on them, "" where there are none
std::string leave_tests_out(std::vector<TaskResult>& results, const std::string& baseline) {
  std::vector<std::string> others;
  for (TaskResult& result : results) {
    if (result.against.empty() || result.against == baseline) continue;
    const std::string other = result.against + " in " + result.from.string();
    if (std::ranges::find(others, other) == others.end()) others.push_back(other);
    result.against.clear();
  }
  return others.empty() ? "" : "left out are the tests against " + joined_with(others);
}

// One evaluation that was found twice: what one place knows and the other does not, and of two tests, each corrected
// for those beside it, the one that says less.
void merge_result(TaskResult& into, TaskResult& other) {
  if (!into.run) into.run = std::move(other.run);
  if (into.metrics.heuristics.empty()) into.metrics.heuristics = other.metrics.heuristics;
  if (other.against.empty()) return;
  if (into.against.empty() || (into.against == other.against && other.p_holm > into.p_holm)) {
    into.against = other.against;
    into.p_holm = other.p_holm;
  }
}

size_t place_in(std::vector<std::string>& names, const std::string& name) {
  const auto found = std::ranges::find(names, name);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  names.push_back(name);
  return names.size() - 1;
}

TaskGrid arrange(std::vector<TaskResult>& results, std::vector<const TaskResult*>& columns) {
  for (const TaskResult& result : results) {
    const auto same = [&](const TaskResult* other) { return other->problem_set == result.problem_set; };
    if (std::ranges::none_of(columns, same)) columns.push_back(&result);
  }
  TaskGrid grid;
  grid.columns = name_task_columns(columns);
  for (TaskResult& result : results) {
    const size_t r = place_in(grid.rows, result.row);
    grid.cells.resize(grid.rows.size(), std::vector<TaskResult*>(columns.size()));
    const auto column = std::ranges::find(columns, result.problem_set, &TaskResult::problem_set);
    const auto c = static_cast<size_t>(column - columns.begin());
    TaskResult*& cell = grid.cells[r][c];
    if (cell == nullptr) {
      cell = &result;
      continue;
    }
    require(same_evaluation(*cell, result), kMakeTable, "expected one result of '", result.row, "' on ",
            grid.columns[c], " but got two: ", cell->from.string(), " and ", result.from.string(),
            "; 'tacit compare --runs NAME=DIR --out' makes a report that calls one of them otherwise");
    merge_result(*cell, result);
  }
  return grid;
}

// Takes the run, whose samples are not needed any more.
ComparedRow taken_row(TaskResult& result) {
  ComparedRow out{.name = result.row, .runs = {}};
  out.runs.push_back(std::move(*result.run));
  return out;
}

// Of a column's runs against that of the baseline, each on all samples that these two have. -> for tests on fewer than
// a cell counts: "cot on reach (20 of 160 samples)"
std::vector<std::string> test_column(TaskGrid& grid, size_t base, size_t c) {
  std::vector<std::string> fewer;
  TaskResult* against = grid.cells[base][c];
  if (against == nullptr || !against->run) return fewer;
  std::vector<ComparedRow> pair = {taken_row(*against), {}};
  std::vector<TaskResult*> tested;
  std::vector<double> p_values;
  for (size_t r = 0; r < grid.rows.size(); ++r) {
    TaskResult* result = grid.cells[r][c];
    if (r == base || result == nullptr || !result->run || result->changed || !result->against.empty()) continue;
    pair[1] = taken_row(*result);
    const PairedSamples samples = pair_samples(pair);
    tested.push_back(result);
    p_values.push_back(paired_test(samples, 1, 0, grid.rows[base]).p_value);
    const int64_t both = std::ssize(samples.problem),
                  most = std::max(result->metrics.examples, against->metrics.examples);
    if (both < most)
      fewer.push_back(result->row + " on " + grid.columns[c] + " (" + std::to_string(both) + " of " +
                      std::to_string(most) + " samples)");
  }
  p_values = holm(p_values);
  for (size_t i = 0; i < tested.size(); ++i) {
    tested[i]->against = grid.rows[base];
    tested[i]->p_holm = p_values[i];
  }
  return fewer;
}

// -> a note on tests that leave samples out, "" where none does
std::string test_runs(TaskGrid& grid, const std::string& baseline) {
  const auto base = std::ranges::find(grid.rows, baseline);
  require(base != grid.rows.end(), kMakeTable, "expected the baseline to be one of the rows, ", joined_with(grid.rows),
          ", but got '", baseline, "'", did_you_mean(baseline, grid.rows));
  std::vector<std::string> fewer;
  for (size_t c = 0; c < grid.columns.size(); ++c)
    std::ranges::move(test_column(grid, static_cast<size_t>(base - grid.rows.begin()), c), std::back_inserter(fewer));
  return fewer.empty() ? ""
                       : "tested on the samples that both rows have, where a row has more of them (repeats): " +
                             joined_with(fewer);
}

// Of those that any row of the column brings along, which are on the same problems; guessing is one of them.
std::optional<Heuristic> highest_rule(const TaskGrid& grid, size_t c) {
  for (const auto& row : grid.cells) {
    if (row[c] == nullptr || row[c]->metrics.heuristics.empty()) continue;
    // Of equal ones that which decides something.
    return std::ranges::max(row[c]->metrics.heuristics, {},
                            [](const Heuristic& h) { return std::pair(h.accuracy, h.decided > 0); });
  }
  return {};
}

// Where the row has all of several columns.
std::optional<TaskMean> mean_of(const TaskRow& row, bool independent) {
  std::vector<double> accuracies;
  std::vector<Interval> intervals;
  double sum = 0;
  for (const auto& cell : row.cells) {
    if (!cell) return {};
    accuracies.push_back(cell->accuracy);
    intervals.push_back(cell->accuracy_ci);
    sum += cell->accuracy;
  }
  if (accuracies.size() < 2) return {};
  TaskMean out{.accuracy = sum / static_cast<double>(accuracies.size()), .accuracy_ci = {}};
  if (independent) out.accuracy_ci = mean_interval(accuracies, intervals);
  return out;
}

std::optional<double> mean_of_rules(const std::vector<TaskColumn>& columns) {
  double sum = 0;
  for (const TaskColumn& column : columns) {
    if (!column.rule) return {};
    sum += column.rule->accuracy;
  }
  if (columns.size() < 2) return {};
  return sum / static_cast<double>(columns.size());
}

// Names of columns that may share problems; empty = none do.
std::vector<std::string> sharing_columns(const TaskGrid& grid, const std::vector<const TaskResult*>& columns) {
  std::vector<std::string> out;
  for (size_t a = 0; a < columns.size(); ++a) {
    bool shares = false;
    for (size_t b = 0; b < columns.size(); ++b)
      shares = shares || (a != b && may_share_problems(*columns[a], *columns[b]));
    if (shares) out.push_back(grid.columns[a]);
  }
  return out;
}

TaskRow row_of_table(const TaskGrid& grid, size_t r) {
  TaskRow out{.name = grid.rows[r], .cells = {}, .mean = {}};
  for (const TaskResult* result : grid.cells[r]) {
    out.cells.emplace_back();
    if (result == nullptr) continue;
    const Metrics& m = result->metrics;
    out.cells.back() = TaskCell{m.accuracy, m.accuracy_ci, result->against, result->p_holm, result->from.string()};
  }
  return out;
}

}  // namespace

Interval mean_interval(const std::vector<double>& accuracies, const std::vector<Interval>& intervals) {
  require(!accuracies.empty() && accuracies.size() == intervals.size(), "mean_interval",
          "expected an interval for each of at least one accuracy but got ", intervals.size(), " for ",
          accuracies.size());
  double sum = 0, below = 0, above = 0;
  for (size_t k = 0; k < accuracies.size(); ++k) {
    sum += accuracies[k];
    below += std::pow(accuracies[k] - intervals[k].low, 2);
    above += std::pow(intervals[k].high - accuracies[k], 2);
  }
  const double count = static_cast<double>(accuracies.size());
  return {(sum - std::sqrt(below)) / count, (sum + std::sqrt(above)) / count};
}

TaskTable task_table(std::vector<TaskResult> results, const TaskTableOptions& options) {
  std::vector<std::string> left_out;
  if (!options.changed_thoughts) left_out.push_back(leave_changed_out(results));
  require(!results.empty(), kMakeTable, "expected at least one result",
          left_out.empty() || left_out[0].empty() ? "" : " but got none; " + left_out[0]);
  if (!options.baseline.empty()) left_out.push_back(leave_tests_out(results, options.baseline));
  std::vector<const TaskResult*> sets;
  TaskGrid grid = arrange(results, sets);
  if (!options.baseline.empty()) left_out.push_back(test_runs(grid, options.baseline));

  TaskTable out;
  if (!options.baseline.empty()) out.baselines.push_back(options.baseline);
  for (size_t c = 0; c < sets.size(); ++c)
    out.columns.push_back({grid.columns[c], sets[c]->problems, sets[c]->problem_set, highest_rule(grid, c)});
  const std::vector<std::string> sharing = sharing_columns(grid, sets);
  for (size_t r = 0; r < grid.rows.size(); ++r) {
    TaskRow row = row_of_table(grid, r);
    row.mean = mean_of(row, sharing.empty());
    for (const auto& cell : row.cells) {
      if (cell && !cell->against.empty()) place_in(out.baselines, cell->against);
    }
    out.rows.push_back(std::move(row));
  }
  out.rule_mean = mean_of_rules(out.columns);
  out.notes = notes_on_tasks(grid, out);
  if (!sharing.empty()) {
    out.notes.push_back("the mean has no interval, since columns may have problems in common: " + joined_with(sharing));
  }
  for (const std::string& note : left_out) {
    if (!note.empty()) out.notes.push_back(note);
  }
  return out;
}

}  // namespace tacit
