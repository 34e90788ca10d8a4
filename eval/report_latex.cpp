#include <algorithm>
#include <cctype>
#include <string_view>

#include "eval/plot/markup.h"
#include "eval/render_columns.h"
#include "eval/report_columns.h"
#include "eval/report_findings.h"
#include "eval/report_plots.h"

namespace tacit {
namespace {

constexpr int kLeastImportance = 5;  // of columns: a page is narrow

// What TeX reads for more than itself, two signs that a font would join and a number's own sign among it.
std::string tex_text(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i], next = i + 1 < text.size() ? text[i + 1] : ' ', before = i > 0 ? text[i - 1] : ' ';
    if (text.compare(i, kNotMeasured.size(), kNotMeasured) == 0) {
      out += "--";
      i += kNotMeasured.size() - 1;
    } else if (std::string_view("{}#$%&_").find(c) != std::string_view::npos) {
      out += std::string("\\") + c;
    } else if (c == '\\') {
      out += "\\textbackslash{}";
    } else if (c == '~') {
      out += "\\textasciitilde{}";
    } else if (c == '^') {
      out += "\\textasciicircum{}";
    } else if (c == '|') {
      out += "\\textbar{}";
    } else if (c == '<' || c == '>') {
      out += std::string("$") + c + "$";
    } else if (c == '-' && (before == ' ' || before == '[') && std::isdigit(static_cast<unsigned char>(next)) != 0) {
      out += "$-$";
    } else if ((c == '-' || c == '`' || c == '\'' || c == ',') && next == c) {
      out += std::string(1, c) + "{}";
    } else {
      out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
  }
  return out;
}

// What stands in parentheses goes on a line of its own, so that it does not make the column wide.
std::string head_text(const ReportColumn& column) {
  const size_t at = column.head.find(" (");
  if (at == std::string::npos) return tex_text(column.head);
  return std::string("\\shortstack[") + (column.right ? "r" : "l") + "]{" + tex_text(column.head.substr(0, at)) +
         "\\\\" + tex_text(column.head.substr(at + 1)) + "}";
}

std::string row_of(const std::vector<std::string>& cells) {
  std::string out = "{}";  // or the line break before would take a "[" or "*" for its own
  for (size_t c = 0; c < cells.size(); ++c) {
    if (c > 0) out += cells[c].empty() ? " &" : " & ";
    out += cells[c];
  }
  return out + " \\\\\n";
}

}  // namespace

std::string latex_comment(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return "% " + text + "\n";
}

std::string latex_columns(const std::vector<ReportColumn>& columns, size_t below) {
  std::string out =
      latex_comment("needs \\usepackage{booktabs}; wider than the page: \\resizebox{\\linewidth}{!}{..} (graphicx)") +
      "\\begin{tabular}{";
  std::vector<std::string> heads;
  for (const ReportColumn& column : columns) {
    out += column.right ? "r" : "l";
    heads.push_back(head_text(column));
  }
  out += "}\n\\toprule\n" + row_of(heads) + "\\midrule\n";
  const size_t rows = columns[0].cells.size();
  for (size_t r = 0; r < rows; ++r) {
    const bool apart = r + below >= rows;
    if (apart && r + below == rows) out += "\\midrule\n";
    std::vector<std::string> cells;
    for (const ReportColumn& column : columns) cells.push_back(tex_text(column.cells[r]));
    if (apart) cells[0] = "\\textit{" + cells[0] + "}";
    out += row_of(cells);
  }
  return out + "\\bottomrule\n\\end{tabular}\n";
}

std::string latex_table(const Comparison& comparison) {
  std::vector<ReportColumn> columns = report_columns(comparison);
  std::erase_if(columns, [](const ReportColumn& c) { return c.importance < kLeastImportance; });
  size_t below = 0;
  for (const auto& [title, rule] :
       {std::pair{std::string("chance"), chance_rule(comparison)}, {"rule: ", best_rule(comparison)}}) {
    if (rule == nullptr) continue;
    ++below;
    for (ReportColumn& column : columns) {
      const bool name = &column == &columns[0];
      column.cells.push_back(name                          ? title + (title == "chance" ? "" : rule->name)
                             : column.head == "accuracy %" ? percent_text(rule->accuracy)
                                                           : "");
    }
  }
  std::string out = latex_comment(report_title(comparison)) + latex_columns(columns, below);
  if (const std::string rules = heuristics_text(comparison); !rules.empty()) out += latex_comment(rules);
  for (const std::string& note : comparison.notes) out += latex_comment(note);
  for (const std::string& finding : negative_findings(comparison)) out += latex_comment(finding);
  for (const std::string& line : provenance_lines(comparison)) out += latex_comment(line);
  return out;
}

}  // namespace tacit
