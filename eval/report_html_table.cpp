#include <algorithm>

#include "eval/plot/marks.h"
#include "eval/plot/markup.h"
#include "eval/report_columns.h"
#include "eval/report_html_parts.h"
#include "eval/report_plots.h"

namespace tacit::html {
namespace {

std::string cell(const std::string& text, bool right) {
  return std::string(right ? "<td class=\"n\">" : "<td>") + escape_markup(text) + "</td>";
}

// "accuracy %", with the unit kept beside its word.
std::string head_text(std::string text) {
  if (text.ends_with(" %")) text.replace(text.size() - 2, 2, "\u00A0%");
  return escape_markup(text);
}

std::string points(double difference) {
  const std::string text = fixed_text(100 * difference, 1);
  return text[0] == '-' ? "−" + text.substr(1) : text == "0.0" ? text : "+" + text;
}

}  // namespace

std::string key(const Comparison& comparison, const std::string& row) {
  return "<svg class=\"key\" viewBox=\"-7 -7 14 14\" aria-hidden=\"true\">" + marker(style_of(comparison, row), 0, 0) +
         "</svg>";
}

std::string bar(const Comparison& comparison, double accuracy, const Interval& ci, const std::string& row) {
  const auto share = [](double value) { return coordinate(100 * value); };
  const Heuristic* chance = chance_rule(comparison);
  std::string out = "<span class=\"bar s" + std::to_string(colour_of(style_of(comparison, row))) +
                    "\" style=\"--v:" + share(accuracy) + ";--l:" + share(ci.low) + ";--w:" + share(ci.high - ci.low) +
                    "\"><i></i>";
  if (chance != nullptr) out += "<u style=\"--c:" + share(chance->accuracy) + "\"></u>";
  return out + "<b></b></span>";
}

// The cells of every other form of the report, and a bar. Columns that hold nothing for these rows are left out.
std::string headline_table(const Comparison& comparison) {
  std::vector<size_t> shown;
  for (size_t r = 0; r < comparison.rows.size(); ++r) {
    if (!comparison.rows[r].clean) shown.push_back(r);
  }
  std::string head, body;
  std::vector<ReportColumn> columns = report_columns(comparison);
  std::erase_if(columns, [&](const ReportColumn& c) {
    const bool repeats = c.head == "method";  // the names once more, where only changed rows have others
    return std::ranges::all_of(shown, [&](size_t r) {
      return c.cells[r] == kNotMeasured || (repeats && c.cells[r] == comparison.rows[r].name);
    });
  });
  for (size_t c = 0; c < columns.size(); ++c) {
    head += std::string(columns[c].right ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">") +
            head_text(columns[c].head) + "</th>";
    if (columns[c].head == "accuracy %")
      head += "<td class=\"scale\"><span>0</span><span>50</span><span>100</span></td>";
  }
  for (const size_t r : shown) {
    const ComparisonRow& row = comparison.rows[r];
    body += row.name == comparison.baseline ? "<tr class=\"base\">" : "<tr>";
    for (size_t c = 0; c < columns.size(); ++c) {
      const std::string& text = columns[c].cells[r];
      if (c == 0) {
        body += "<th scope=\"row\">" + key(comparison, row.name) + "<span>" + escape_markup(text) + "</span></th>";
        continue;
      }
      body += cell(text, columns[c].right);
      if (columns[c].head == "accuracy %")
        body += "<td class=\"b\">" + bar(comparison, row.metrics.accuracy, row.metrics.accuracy_ci, row.name) + "</td>";
    }
    body += "</tr>\n";
  }
  return "<div class=\"wide\"><table class=\"sort\"><thead><tr>" + head + "</tr></thead><tbody>\n" + body +
         "</tbody></table></div>\n";
}

// Each clean row, then the same with its thoughts replaced.
std::string controls_table(const Comparison& comparison) {
  std::string body;
  const auto accuracy_cells = [&](const ComparisonRow& row) {
    const Metrics& m = row.metrics;
    return cell(percent_text(m.accuracy), true) + "<td class=\"b\">" +
           bar(comparison, m.accuracy, m.accuracy_ci, row.name) + "</td>" +
           cell(percent_text(m.accuracy_ci.low) + "–" + percent_text(m.accuracy_ci.high), true);
  };
  for (const ComparisonRow& clean : comparison.rows) {
    std::string changed;
    for (const ComparisonRow& row : comparison.rows) {
      if (!row.clean || row.clean->against != clean.name) continue;
      changed += "<tr><th scope=\"row\" class=\"in\">" + escape_markup(change_of(row)) + "</th>" + accuracy_cells(row) +
                 cell(points(row.metrics.accuracy - clean.metrics.accuracy), true) +
                 cell(std::to_string(row.clean->only_other), true) + cell(std::to_string(row.clean->only_this), true) +
                 cell(p_value_text(row.clean->p_value), true) + cell(p_value_text(row.clean->p_holm), true) + "</tr>\n";
    }
    if (changed.empty()) continue;
    body += "<tbody><tr class=\"clean\"><th scope=\"row\">" + key(comparison, clean.name) + "<span>" +
            escape_markup(clean.name) + "</span></th>" + accuracy_cells(clean) +
            "<td></td><td></td><td></td><td></td><td></td></tr>\n" + changed + "</tbody>\n";
  }
  if (body.empty()) return "";
  return "<div class=\"wide\"><table class=\"controls\"><thead><tr><th scope=\"col\">thoughts</th><th scope=\"col\" "
         "class=\"n\">accuracy %</th><td class=\"scale\"><span>0</span><span>50</span><span>100</span></td><th "
         "scope=\"col\" class=\"n\">95 % CI</th><th scope=\"col\" class=\"n\">difference</th><th scope=\"col\" "
         "class=\"n\">only clean right</th><th scope=\"col\" class=\"n\">only this right</th><th scope=\"col\" "
         "class=\"n\">p vs clean</th><th scope=\"col\" class=\"n\">p Holm</th></tr></thead>\n" +
         body + "</table></div>\n";
}

std::string rules_table(const Comparison& comparison) {
  if (comparison.heuristics.empty()) return "";
  std::string body;
  for (const Heuristic& h : comparison.heuristics) {
    body += "<tr><th scope=\"row\"><span>" + escape_markup(h.name) + "</span></th>" +
            cell(percent_text(h.accuracy), true) + cell(std::to_string(h.decided), true) + "<td class=\"takes\">" +
            escape_markup(h.rule) + "</td>" + "</tr>\n";
  }
  return "<div class=\"wide\"><table class=\"sort\"><thead><tr><th scope=\"col\">rule</th><th scope=\"col\" "
         "class=\"n\">accuracy %</th><th scope=\"col\" class=\"n\">decides</th><th "
         "scope=\"col\">takes</th></tr></thead>"
         "<tbody>\n" +
         body + "</tbody></table></div>\n";
}

}  // namespace tacit::html
