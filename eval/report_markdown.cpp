#include "eval/report_columns.h"

namespace tacit {
namespace {

std::string escaped(const std::string& cell) {
  std::string out;
  for (char c : cell) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string table(const std::vector<ReportColumn>& columns) {
  std::string head = "|", rule = "|", body;
  for (const ReportColumn& column : columns) {
    head += " " + escaped(column.head) + " |";
    rule += column.right ? " ---: |" : " --- |";
  }
  for (size_t r = 0; r < columns[0].cells.size(); ++r) {
    body += "|";
    for (const ReportColumn& column : columns) body += " " + escaped(column.cells[r]) + " |";
    body += "\n";
  }
  return head + "\n" + rule + "\n" + body;
}

}  // namespace

std::string markdown_table(const Comparison& comparison) {
  std::string out = escaped(report_title(comparison)) + "\n\n" + table(report_columns(comparison));
  for (const auto& further : further_tables(comparison)) out += "\n" + table(further);
  if (const std::string rules = heuristics_text(comparison); !rules.empty()) out += "\n" + escaped(rules) + "\n";
  for (const std::string& note : comparison.notes) out += "\n" + escaped(note) + "\n";
  const std::vector<std::string> lines = provenance_lines(comparison);
  if (!lines.empty()) out += "\n";
  for (const std::string& line : lines) out += "    " + line + "\n";  // indented: a block of code
  return out;
}

}  // namespace tacit
