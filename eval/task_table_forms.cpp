#include <algorithm>

#include "eval/plot/markup.h"
#include "eval/render_columns.h"
#include "eval/task_grid.h"
#include "eval/task_table.h"

namespace tacit {
namespace {

const std::string kRuleRow = "best label-blind rule";

// "93.8† (81.2–100.0)"
std::string share_with_interval(double share, const Interval& ci, const std::string& mark = "") {
  return percent_text(share) + mark + " (" + percent_text(ci.low) + "–" + percent_text(ci.high) + ")";
}

std::string cell_text(const TaskTable& table, const std::optional<TaskCell>& cell) {
  if (!cell) return kNotMeasured;
  const auto baseline = std::ranges::find(table.baselines, cell->against);
  const bool differs = baseline != table.baselines.end() && cell->p_holm < .05;
  return share_with_interval(cell->accuracy, cell->accuracy_ci,
                             differs ? baseline_mark(static_cast<size_t>(baseline - table.baselines.begin())) : "");
}

std::string mean_text(const std::optional<TaskMean>& mean) {
  if (!mean) return kNotMeasured;
  return mean->accuracy_ci ? share_with_interval(mean->accuracy, *mean->accuracy_ci) : percent_text(mean->accuracy);
}

bool has_rules(const TaskTable& table) {
  return std::ranges::any_of(table.columns, [](const TaskColumn& column) { return column.rule.has_value(); });
}

OrderedJson pair_json(const Interval& interval) { return OrderedJson::array_t{interval.low, interval.high}; }

OrderedJson cell_json(const TaskTable& table, const TaskRow& row, size_t c) {
  const TaskCell& cell = *row.cells[c];
  const bool tested = !cell.against.empty();
  return {{"row", row.name},
          {"task", table.columns[c].name},
          {"problems", table.columns[c].problems},
          {"accuracy", cell.accuracy},
          {"accuracy_ci", pair_json(cell.accuracy_ci)},
          {"against", tested ? OrderedJson(cell.against) : OrderedJson()},
          {"p_holm", tested ? OrderedJson(cell.p_holm) : OrderedJson()},
          {"from", valid_utf8(cell.from)}};
}

// RFC 4180: quoted where it must be.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string out;
  for (const std::string& field : fields) out += (&field == &fields.front() ? "" : ",") + csv_field(field);
  return out + "\r\n";
}

std::string csv_number(double value) { return OrderedJson(value).dump(); }

}  // namespace

std::vector<ReportColumn> task_columns(const TaskTable& table) {
  const bool rules = has_rules(table);
  std::vector<ReportColumn> out{{.head = "accuracy % (95 % CI)", .cells = {}, .right = false}};
  for (const TaskRow& row : table.rows) out[0].cells.push_back(row.name);
  if (rules) out[0].cells.push_back(kRuleRow);
  for (size_t c = 0; c < table.columns.size(); ++c) {
    ReportColumn column{.head = table.columns[c].name, .cells = {}};
    for (const TaskRow& row : table.rows) column.cells.push_back(cell_text(table, row.cells[c]));
    const std::optional<Heuristic>& rule = table.columns[c].rule;
    if (rules) column.cells.push_back(rule ? percent_text(rule->accuracy) : kNotMeasured);
    out.push_back(std::move(column));
  }
  if (table.columns.size() < 2) return out;
  ReportColumn mean{.head = "mean", .cells = {}};
  for (const TaskRow& row : table.rows) mean.cells.push_back(mean_text(row.mean));
  if (rules) mean.cells.push_back(table.rule_mean ? percent_text(*table.rule_mean) : kNotMeasured);
  out.push_back(std::move(mean));
  return out;
}

std::string terminal_table(const TaskTable& table, int64_t width, bool colour) {
  std::string out = terminal_columns(task_columns(table), width, colour);
  for (const std::string& note : table.notes) out += "\n" + wrapped_text(note, width);
  return out;
}

std::string markdown_table(const TaskTable& table) {
  std::string out = markdown_columns(task_columns(table));
  for (const std::string& note : table.notes) out += "\n" + plain_markdown(note) + "\n";
  return out;
}

std::string latex_table(const TaskTable& table) {
  std::string out = latex_columns(task_columns(table), has_rules(table) ? 1 : 0);
  for (const std::string& note : table.notes) out += latex_comment(note);
  return out;
}

std::string csv_table(const TaskTable& table) {
  std::string out = csv_line({"row", "task", "problems", "accuracy", "low", "high", "p_holm", "against"});
  for (const TaskRow& row : table.rows) {
    for (size_t c = 0; c < row.cells.size(); ++c) {
      if (!row.cells[c]) continue;
      const TaskCell& cell = *row.cells[c];
      out += csv_line({row.name, table.columns[c].name, std::to_string(table.columns[c].problems),
                       csv_number(cell.accuracy), csv_number(cell.accuracy_ci.low), csv_number(cell.accuracy_ci.high),
                       cell.against.empty() ? "" : csv_number(cell.p_holm), cell.against});
    }
  }
  for (const TaskColumn& column : table.columns) {
    if (column.rule)
      out += csv_line(
          {kRuleRow, column.name, std::to_string(column.problems), csv_number(column.rule->accuracy), "", "", "", ""});
  }
  return out;
}

OrderedJson to_json(const TaskTable& table) {
  OrderedJson rows = OrderedJson::array(), tasks = OrderedJson::array(), cells = OrderedJson::array();
  for (const TaskRow& row : table.rows) {
    const bool interval = row.mean && row.mean->accuracy_ci;
    rows.push_back({{"name", row.name},
                    {"mean", row.mean ? OrderedJson(row.mean->accuracy) : OrderedJson()},
                    {"mean_ci", interval ? pair_json(*row.mean->accuracy_ci) : OrderedJson()}});
    for (size_t c = 0; c < row.cells.size(); ++c) {
      if (row.cells[c]) cells.push_back(cell_json(table, row, c));
    }
  }
  for (const TaskColumn& column : table.columns) {
    OrderedJson best;
    if (column.rule) best = to_json(std::vector<Heuristic>{*column.rule})[0];
    tasks.push_back({{"name", column.name},
                     {"problems", column.problems},
                     {"problem_set", column.problem_set},
                     {"best_rule", best}});
  }
  return {{"rows", rows}, {"tasks", tasks}, {"cells", cells}, {"notes", table.notes}};
}

}  // namespace tacit
