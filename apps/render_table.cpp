#include "apps/render_table.h"

#include <algorithm>

namespace tacit {
namespace {

constexpr int64_t kGap = 2;

std::string cell(const std::string& text, int64_t width, bool right) {
  const std::string space(std::max<int64_t>(width - display_width(text), 0), ' ');
  return right ? space + text : text + space;
}

// The first `count` cells; no spaces at the end.
std::string joined_row(const std::vector<std::string>& row, const std::vector<int64_t>& widths,
                       const std::vector<TableColumn>& columns, size_t count) {
  std::string line;
  for (size_t c = 0; c < count; ++c) {
    if (c > 0) line += std::string(kGap, ' ');
    line += cell(row[c], widths[c], columns[c].right);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

// Columns that find a place beside each other, at least one.
size_t fitting(const std::vector<int64_t>& widths, int64_t width, int64_t least_last) {
  int64_t used = 0;
  for (size_t c = 0; c < widths.size(); ++c) {
    const bool last = c + 1 == widths.size();
    used += (c > 0 ? kGap : 0) + (last ? std::min(widths[c], least_last) : widths[c]);
    if (used > width) return std::max<size_t>(c, 1);
  }
  return widths.size();
}

// What stands below a row: titles and values, the last column without its title.
std::string folded(const std::vector<std::string>& row, const std::vector<TableColumn>& columns, size_t beside) {
  std::string text;
  for (size_t c = beside; c < row.size(); ++c) {
    if (row[c].empty()) continue;
    if (!text.empty()) text += ", ";
    text += c + 1 < row.size() || columns[c].right ? columns[c].title + " " + row[c] : row[c];
  }
  return text;
}

}  // namespace

Lines table_lines(const std::vector<TableColumn>& columns, const std::vector<std::vector<std::string>>& rows,
                  const RenderOptions& options, const TableOptions& table) {
  std::vector<int64_t> widths;
  std::vector<std::string> titles;
  for (size_t c = 0; c < columns.size(); ++c) {
    int64_t width = display_width(columns[c].title);
    for (const auto& row : rows) width = std::max(width, display_width(row[c]));
    widths.push_back(width);
    titles.push_back(columns[c].title);
  }
  const size_t beside = fitting(widths, options.width, table.least_last);
  const bool whole = beside == columns.size();
  Lines lines;
  lines.push_back(paint(joined_row(titles, widths, columns, beside), Tone::bold, options.colour));
  int64_t before = 0;
  for (size_t c = 0; c + 1 < columns.size(); ++c) before += widths[c] + kGap;
  for (const auto& row : rows) {
    if (whole && table.wrap && !columns.back().right) {
      const Lines last = wrap_text(row.back(), std::max<int64_t>(options.width - before, 1));
      for (size_t i = 0; i < std::max<size_t>(last.size(), 1); ++i) {
        std::string head = i == 0 ? joined_row(row, widths, columns, beside - 1) : "";
        lines.push_back(last.empty() ? head : pad(head, before) + last[i]);
      }
      continue;
    }
    lines.push_back(joined_row(row, widths, columns, beside));
    const std::string rest = whole ? "" : folded(row, columns, beside);
    if (!rest.empty() && !table.wrap) lines.push_back("  " + rest);
    for (const std::string& more : table.wrap ? wrap_text(rest, options.width - kGap) : Lines())
      lines.push_back("  " + more);
  }
  for (std::string& line : lines) line = clip(line, options.width);
  return lines;
}

}  // namespace tacit
