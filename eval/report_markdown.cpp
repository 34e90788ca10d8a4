#include <algorithm>
#include <cctype>

#include "eval/render_columns.h"
#include "eval/report_columns.h"
#include "eval/report_findings.h"

namespace tacit {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// Whether GitHub's Markdown would read the character for more than itself: "<" opens a tag before a letter, "_" is
// emphasis at a word's end only, "]" ends a link before "(".
bool is_markup(const std::string& text, size_t i) {
  const char before = i > 0 ? text[i - 1] : ' ', next = i + 1 < text.size() ? text[i + 1] : ' ';
  switch (text[i]) {
    case '|':
    case '\\':
    case '`':
    case '*':
    case '~': return true;
    case '<':
    case '&': return is_word(next) || next == '/' || next == '!' || next == '?' || next == '#';
    case '_': return !is_word(before) || !is_word(next);
    case ']': return next == '(' || next == '[' || next == ':';
    default: return false;
  }
}

}  // namespace

std::string plain_markdown(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_markup(text, i)) out += '\\';
    out += text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
  }
  return out;
}

std::string markdown_columns(const std::vector<ReportColumn>& columns) {
  std::string head = "|", rule = "|", body;
  for (const ReportColumn& column : columns) {
    head += " " + plain_markdown(column.head) + " |";
    rule += column.right ? " ---: |" : " --- |";
  }
  for (size_t r = 0; r < columns[0].cells.size(); ++r) {
    body += "|";
    for (const ReportColumn& column : columns) body += " " + plain_markdown(column.cells[r]) + " |";
    body += "\n";
  }
  return head + "\n" + rule + "\n" + body;
}

std::string markdown_table(const Comparison& comparison) {
  std::string out = plain_markdown(report_title(comparison)) + "\n\n" + markdown_columns(report_columns(comparison));
  for (const auto& further : further_tables(comparison)) out += "\n" + markdown_columns(further);
  if (const std::string rules = heuristics_text(comparison); !rules.empty()) out += "\n" + plain_markdown(rules) + "\n";
  for (const std::string& note : comparison.notes) out += "\n" + plain_markdown(note) + "\n";
  for (const std::string& finding : negative_findings(comparison)) out += "\n" + plain_markdown(finding) + "\n";
  const std::vector<std::string> lines = provenance_lines(comparison);
  if (!lines.empty()) out += "\n";
  for (std::string line : lines) {
    std::ranges::replace_if(
        line, [](char c) { return c == '\n' || c == '\r'; }, ' ');
    out += "    " + line + "\n";  // indented: a block of code
  }
  return out;
}

}  // namespace tacit
