#include <algorithm>
#include <cmath>

#include "eval/render_columns.h"
#include "eval/report_columns.h"
#include "eval/report_findings.h"

namespace tacit {
namespace {

constexpr int64_t kGap = 2;  // columns between columns
constexpr int64_t kWidestBar = 20, kNarrowestBar = 6;
constexpr const char* kPlain = "\x1b[0m";
constexpr const char* kBold = "\x1b[1m";
constexpr const char* kDim = "\x1b[2m";
constexpr const char* kCyan = "\x1b[36m";
constexpr const char* kGreen = "\x1b[32m";
constexpr const char* kRed = "\x1b[31m";

// Characters, each one column wide.
int64_t display_width(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

int64_t column_width(const ReportColumn& column) {
  int64_t width = display_width(column.head);
  for (const std::string& cell : column.cells) width = std::max(width, display_width(cell));
  return width;
}

int64_t table_width(const std::vector<ReportColumn>& columns) {
  int64_t width = 0;
  for (const ReportColumn& column : columns) width += column_width(column) + (&column == &columns.front() ? 0 : kGap);
  return width;
}

// A bar in eighths of a column.
std::string bar(double share, int64_t width) {
  static const char* const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int64_t eighths = std::llround(share * static_cast<double>(8 * width));
  std::string out;
  for (int64_t i = 0; i < eighths / 8; ++i) out += "█";
  return out + parts[eighths % 8];
}

// Drops columns until the table fits, then gives what is left to bars beside the accuracy. Returns the heads of the
// dropped ones.
std::string fit(std::vector<ReportColumn>& columns, const Comparison& comparison, int64_t width) {
  std::string dropped;
  while (table_width(columns) > width) {
    const auto least = std::min_element(columns.begin(), columns.end(),
                                        [](const auto& a, const auto& b) { return a.importance < b.importance; });
    if (least->importance >= 9) break;
    dropped += (dropped.empty() ? "" : ", ") + least->head;
    columns.erase(least);
  }
  const int64_t space = std::min(kWidestBar, width - table_width(columns) - kGap);
  if (space < kNarrowestBar) return dropped;
  ReportColumn bars{.head = std::string(space, ' '), .cells = {}, .right = false};
  for (const ComparisonRow& row : comparison.rows) bars.cells.push_back(bar(row.metrics.accuracy, space));
  const auto accuracy =
      std::find_if(columns.begin(), columns.end(), [](const auto& c) { return c.head == "accuracy %"; });
  columns.insert(accuracy + 1, std::move(bars));
  return dropped;
}

class Painter {
 public:
  Painter(const Comparison& comparison, bool colour) : comparison_(comparison), colour_(colour) {
    for (const ComparisonRow& row : comparison.rows) best_ = std::max(best_, row.metrics.accuracy);
  }

  std::string head(const std::string& text) const { return paint(kDim, text); }

  std::string cell(const ReportColumn& column, size_t r, const std::string& padded) const {
    const ComparisonRow& row = comparison_.rows[r];
    if (column.head == "model" || column.head == "accuracy %")
      return row.metrics.accuracy == best_ ? paint(kBold, padded) : padded;
    if (column.head.find_first_not_of(' ') == std::string::npos) return paint(kCyan, padded);  // bars
    if (column.head == "p vs clean" && row.clean)
      return judged(row.clean->only_this, row.clean->only_other, row.clean->p_holm, padded);
    if (column.head.starts_with("p vs ")) return judged(row.only_this, row.only_baseline, row.p_holm, padded);
    return padded;
  }

 private:
  std::string judged(int64_t only_this, int64_t only_other, double p_holm, const std::string& padded) const {
    if (p_holm >= .05 || only_this == only_other) return padded;
    return paint(only_this > only_other ? kGreen : kRed, padded);
  }
  std::string paint(const char* code, const std::string& text) const { return colour_ ? code + text + kPlain : text; }

  const Comparison& comparison_;
  bool colour_;
  double best_ = 0;
};

std::string padded(const std::string& text, int64_t width, bool right) {
  const std::string space(std::max<int64_t>(0, width - display_width(text)), ' ');
  return right ? space + text : text + space;
}

// Spaces at the end of a line help nobody; colour codes keep theirs.
std::string without_trailing_blanks(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

// Of columns that stand for no comparison: the heads alone are painted.
struct HeadPainter {
  bool colour;
  std::string head(const std::string& text) const { return colour ? kDim + text + kPlain : text; }
  std::string cell(const ReportColumn&, size_t, const std::string& text) const { return text; }
};

template <class AnyPainter>
std::string table(const std::vector<ReportColumn>& columns, const AnyPainter& painter) {
  const std::string gap(kGap, ' ');
  std::string out, line;
  for (const ReportColumn& c : columns) line += (line.empty() ? "" : gap) + padded(c.head, column_width(c), c.right);
  out += painter.head(without_trailing_blanks(line)) + "\n";
  for (size_t r = 0; r < columns[0].cells.size(); ++r) {
    line.clear();
    for (const ReportColumn& c : columns) {
      line += (line.empty() ? "" : gap) + painter.cell(c, r, padded(c.cells[r], column_width(c), c.right));
    }
    out += without_trailing_blanks(line) + "\n";
  }
  return out;
}

}  // namespace

std::string wrapped_text(const std::string& text, int64_t width) {
  std::string out, line;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find(' ', begin);
    if (end != text.npos && text.compare(end, 2, " %") == 0) end = text.find(' ', end + 1);
    end = std::min(end, text.size());
    const std::string piece = text.substr(begin, end - begin);
    begin = end + 1;
    if (!line.empty() && display_width(line) + 1 + display_width(piece) > width) {
      out += line + "\n";
      line = " ";
    }
    line += (line.empty() ? "" : " ") + piece;
  }
  return out + line + "\n";
}

std::string terminal_columns(const std::vector<ReportColumn>& columns, int64_t width, bool colour) {
  std::string out;
  size_t next = 1;
  do {
    std::vector<ReportColumn> beside = {columns[0]};
    const auto fits = [&] { return table_width(beside) + kGap + column_width(columns[next]) <= width; };
    while (next < columns.size() && (beside.size() == 1 || fits())) beside.push_back(columns[next++]);
    out += (out.empty() ? "" : "\n") + table(beside, HeadPainter{colour});
  } while (next < columns.size());
  return out;
}

std::string terminal_table(const Comparison& comparison, int64_t width, bool colour) {
  const Painter painter(comparison, colour);
  std::vector<ReportColumn> columns = report_columns(comparison);
  const std::string dropped = fit(columns, comparison, width);
  std::string out = report_title(comparison) + "\n\n" + table(columns, painter);
  if (!dropped.empty()) out += wrapped_text("(a wider terminal also shows " + dropped + ")", width);
  for (const auto& further : further_tables(comparison)) out += "\n" + table(further, painter);
  if (const std::string rules = heuristics_text(comparison); !rules.empty()) out += "\n" + wrapped_text(rules, width);
  for (const std::string& note : comparison.notes) out += "\n" + wrapped_text(note, width);
  for (const std::string& finding : negative_findings(comparison)) out += "\n" + wrapped_text(finding, width);
  return out;
}

}  // namespace tacit
