#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "eval/task_grid.h"

namespace tacit {
namespace {

// "cot on reach, snarks; direct on snarks": the cells that are so; "" where none is.
template <class Which>
std::string cells_text(const TaskGrid& grid, Which&& which) {
  std::vector<std::string> rows;
  for (size_t r = 0; r < grid.rows.size(); ++r) {
    std::vector<std::string> columns;
    for (size_t c = 0; c < grid.columns.size(); ++c) {
      if (which(r, c)) columns.push_back(grid.columns[c]);
    }
    if (!columns.empty()) rows.push_back(grid.rows[r] + " on " + joined_with(columns));
  }
  return joined_with(rows, "; ");
}

std::string problems_text(const TaskTable& table) {
  std::vector<std::string> parts;
  for (const TaskColumn& column : table.columns) parts.push_back(column.name + " " + std::to_string(column.problems));
  return "problems: " + joined_with(parts);
}

std::string rules_text(const TaskTable& table) {
  std::vector<std::string> parts;
  for (const TaskColumn& column : table.columns) {
    if (column.rule) parts.push_back(column.rule->name + " (" + column.name + ")");
  }
  return parts.empty() ? "" : "best label-blind rule of each task, on the same problems: " + joined_with(parts);
}

// What the marks say; which cells no test stands behind.
std::vector<std::string> notes_on_marks(const TaskGrid& grid, const TaskTable& table) {
  if (table.baselines.empty()) return {};
  std::vector<std::string> marked, unmarked, idle;
  for (size_t b = 0; b < table.baselines.size(); ++b) {
    const std::string& baseline = table.baselines[b];
    bool tested = false, differs = false;
    for (const TaskRow& row : table.rows) {
      for (const auto& cell : row.cells) {
        if (!cell || cell->against != baseline) continue;
        tested = true;
        differs = differs || cell->p_holm < .05;
      }
    }
    if (differs) {
      marked.push_back(baseline_mark(b) + " differs from " + baseline);
    } else {
      (tested ? unmarked : idle).push_back(baseline);
    }
  }
  const std::string test =
      " (exact paired test, Holm's correction over the rows that were tested together, not over the tasks)";
  std::vector<std::string> out;
  if (!marked.empty()) out.push_back(joined_with(marked) + ", p < .05" + test);
  if (!unmarked.empty()) out.push_back("no row differs from " + joined_with(unmarked) + ", p < .05" + test);
  if (!idle.empty()) out.push_back("nothing was tested against " + joined_with(idle));
  const auto untested = [&](size_t r, size_t c) {
    const TaskResult* result = grid.cells[r][c];
    return result != nullptr && result->against.empty() &&
           std::ranges::find(table.baselines, result->row) == table.baselines.end();
  };
  if (const std::string cells = cells_text(grid, untested); !cells.empty()) out.push_back("not tested: " + cells);
  return out;
}

// What an accuracy hides: problems that were not solved, answers that were not found or did not end, a part of a file.
std::vector<std::string> notes_on_answers(const TaskGrid& grid) {
  constexpr double kLeast = .05;
  std::vector<std::string> out;
  const auto note = [&](const char* title, int64_t Metrics::*count, double least) {
    std::vector<std::string> cells;
    for (size_t r = 0; r < grid.rows.size(); ++r) {
      for (size_t c = 0; c < grid.columns.size(); ++c) {
        if (grid.cells[r][c] == nullptr) continue;
        const Metrics& m = grid.cells[r][c]->metrics;
        const int64_t all = count == &Metrics::too_long ? m.examples : m.solved();
        if (m.*count == 0 || static_cast<double>(m.*count) < least * static_cast<double>(all)) continue;
        cells.push_back(grid.rows[r] + " on " + grid.columns[c] + " " + std::to_string(m.*count) + " of " +
                        std::to_string(all));
      }
    }
    if (!cells.empty()) out.push_back(title + joined_with(cells));
  };
  note("longer than the model's positions, not solved and counted as wrong: ", &Metrics::too_long, 0);
  note("no answer was found in the text, which counts as wrong: ", &Metrics::not_extracted, kLeast);
  note("answers as long as the cap on answer tokens: ", &Metrics::answers_cut_off, kLeast);
  note("written chains that ran into the cap on words: ", &Metrics::cut_off, kLeast);
  std::vector<std::string> first;
  for (size_t c = 0; c < grid.columns.size(); ++c) {
    for (const auto& row : grid.cells) {
      if (row[c] == nullptr || !row[c]->conditions.is_object()) continue;
      const Json of = row[c]->conditions.value("first_of", Json());
      if (of.is_null()) continue;
      first.push_back(grid.columns[c] + " (of " + of.dump() + ")");
      break;
    }
  }
  if (!first.empty())
    out.push_back("the first problems in the file's order, which need not be like the others: " + joined_with(first));
  return out;
}

struct ResultCondition {
  const char *field, *title;  // of TaskResult::conditions, and what is said where it differs
  bool hash = false;
  bool open = false;  // null says nothing of it: not recorded, or does not apply
};

constexpr auto kOfNumbers = std::to_array<ResultCondition>({{"dtype", "dtype differs"},
                                                            {"weights", "format of weights differs"},
                                                            {"device", "device differs"},
                                                            {"max_answer_tokens", "most tokens of an answer differ"}});
constexpr ResultCondition kEnds = {.field = "end_tokens", .title = "end tokens differ", .open = true};
constexpr auto kOfRows =
    std::to_array<ResultCondition>({{"weights_sha256", "checkpoints differ", true},
                                    {.field = "writing", .title = "markers or words at most differ", .open = true},
                                    kEnds});
constexpr auto kOfColumns = std::to_array<ResultCondition>({{"scorers", "scorers differ"},
                                                            {"rescored", "scoring again differs"},
                                                            {"task_sha256", "task files differ", true},
                                                            {"prompt", "prompts differ"}});

std::optional<std::string> condition_text(const TaskResult& result, const ResultCondition& condition) {
  const OrderedJson value = result.conditions.at(condition.field);
  if (condition.open && value.is_null()) return {};
  const std::string text = recorded_text(value, condition.hash);
  return value.is_object() ? "[" + text + "]" : text;
}

using NamedTexts = std::vector<std::pair<std::string, std::optional<std::string>>>;

// "fp32 (reach, gsm8k), bf16 (snarks)"; "" where all that say anything say the same.
std::string differing_text(const NamedTexts& value_of) {
  std::vector<std::string> values;
  std::map<std::string, std::vector<std::string>> who;
  for (const auto& [name, value] : value_of) {
    if (!value) continue;
    if (std::ranges::find(values, *value) == values.end()) values.push_back(*value);
    who[*value].push_back(name);
  }
  if (values.size() < 2) return "";
  for (std::string& value : values) value += " (" + joined_with(who[value]) + ")";
  return joined_with(values);
}

std::vector<std::string> notes_within_rows(const TaskGrid& grid) {
  std::vector<std::string> out;
  for (size_t r = 0; r < grid.rows.size(); ++r) {
    const auto note = [&](const std::string& title, auto&& text) {
      NamedTexts value_of;
      for (size_t c = 0; c < grid.columns.size(); ++c) {
        if (grid.cells[r][c] != nullptr) value_of.emplace_back(grid.columns[c], text(*grid.cells[r][c]));
      }
      const std::string differing = differing_text(value_of);
      if (!differing.empty()) out.push_back(title + " within the row " + grid.rows[r] + ": " + differing);
    };
    note("methods differ", [](const TaskResult& result) { return result.metrics.method; });
    const auto of = [&](const ResultCondition& condition) {
      note(condition.title, [&](const TaskResult& result) { return condition_text(result, condition); });
    };
    std::ranges::for_each(kOfRows, of);
    std::ranges::for_each(kOfNumbers, of);
  }
  return out;
}

// Columns whose rows differ in the same way stand together.
std::vector<std::string> notes_within_columns(const TaskGrid& grid) {
  std::vector<std::string> out;
  const auto note = [&](const ResultCondition& condition, const Json& checkpoint = nullptr) {
    std::map<std::string, std::vector<std::string>> columns;
    for (size_t c = 0; c < grid.columns.size(); ++c) {
      NamedTexts value_of;
      for (const auto& row : grid.cells) {
        if (row[c] != nullptr && (checkpoint.is_null() || checkpoint == row[c]->conditions.at("weights_sha256")))
          value_of.emplace_back(row[c]->row, condition_text(*row[c], condition));
      }
      const std::string differing = differing_text(value_of);
      if (!differing.empty()) columns[differing].push_back(grid.columns[c]);
    }
    for (const auto& [differing, names] : columns)
      out.push_back(std::string(condition.title) + " on " + joined_with(names) + ": " + differing);
  };
  for (const ResultCondition& condition : kOfColumns) note(condition);
  for (const ResultCondition& condition : kOfNumbers) note(condition);
  std::set<Json> checkpoints;  // each has tokens of its own
  for (const auto& row : grid.cells) {
    for (const TaskResult* result : row) {
      if (result != nullptr) checkpoints.insert(result->conditions.at("weights_sha256"));
    }
  }
  checkpoints.erase(Json());
  for (const Json& checkpoint : checkpoints) note(kEnds, checkpoint);
  return out;
}

}  // namespace

std::string joined_with(const std::vector<std::string>& parts, const char* between) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : between) + part;
  return out;
}

std::string baseline_mark(size_t baseline) {
  static const std::array<std::string, 4> marks = {"†", "‡", "§", "¶"};
  std::string out;
  for (size_t i = 0; i <= baseline / marks.size(); ++i) out += marks[baseline % marks.size()];
  return out;
}

std::vector<std::string> notes_on_tasks(const TaskGrid& grid, const TaskTable& table) {
  std::vector<std::string> out = {problems_text(table)};
  const auto add = [&](const std::string& note) {
    if (!note.empty()) out.push_back(note);
  };
  for (const std::string& note : notes_on_marks(grid, table)) add(note);
  const std::string missing = cells_text(grid, [&](size_t r, size_t c) { return grid.cells[r][c] == nullptr; });
  if (!missing.empty()) add("no result: " + missing);
  if (std::ranges::any_of(table.rows, [](const TaskRow& row) { return row.mean && row.mean->accuracy_ci; }))
    add("mean: unweighted; its interval takes the tasks for independent and says nothing of other tasks");
  add(rules_text(table));
  const std::string oracle = cells_text(
      grid, [&](size_t r, size_t c) { return grid.cells[r][c] != nullptr && grid.cells[r][c]->halts_by_answer; });
  if (!oracle.empty()) add("stops by the reference answer: " + oracle);
  for (const std::string& note : notes_on_answers(grid)) add(note);
  for (const std::string& note : notes_within_rows(grid)) add(note);
  for (const std::string& note : notes_within_columns(grid)) add(note);
  return out;
}

}  // namespace tacit
