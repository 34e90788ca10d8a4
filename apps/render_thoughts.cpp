#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/render.h"

namespace tacit {
namespace {

// A cell is mark, bar, percent and a gap: "•███▌ 44 ".
constexpr int64_t kPercent = 5, kLeastBar = 3, kMostBar = 10;

struct Row {
  std::string word;
  std::vector<double> share;   // by thought
  std::vector<char> frontier;  // by thought: 1 = the node is this far from the root
  double most = 0;
  size_t first =
      std::numeric_limits<size_t>::max();  // thought that orders the rows: its level, else where it lights up
};

Row make_row(const ThoughtGrid& grid, const std::string& word, double least) {
  Row row{word, std::vector<double>(grid.thoughts.size()), std::vector<char>(grid.thoughts.size())};
  for (size_t k = 0; k < grid.thoughts.size(); ++k) {
    for (const auto& [other, share] : grid.thoughts[k]) {
      if (other == word) row.share[k] += share;
    }
    row.most = std::max(row.most, row.share[k]);
    if (k < grid.frontiers.size()) {
      row.frontier[k] = std::count(grid.frontiers[k].begin(), grid.frontiers[k].end(), word) > 0;
    }
    if (row.frontier[k]) row.first = std::min(row.first, k);
  }
  if (row.first < grid.thoughts.size()) return row;
  for (size_t k = 0; k < grid.thoughts.size() && row.first >= grid.thoughts.size(); ++k) {
    if (row.share[k] >= least) row.first = k;
  }
  return row;
}

// At most `most` rows, level by level, the brightest of a level first; `hidden` dimmer ones are left out.
std::vector<Row> make_rows(const ThoughtGrid& grid, double least, int64_t most, int64_t* hidden) {
  std::vector<std::string> words;
  const auto mention = [&](const std::string& word) {
    if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
  };
  for (size_t k = 0; k < grid.thoughts.size(); ++k) {
    if (k < grid.frontiers.size()) std::for_each(grid.frontiers[k].begin(), grid.frontiers[k].end(), mention);
    for (const auto& [word, share] : grid.thoughts[k]) {
      if (share >= least) mention(word);
    }
  }
  std::vector<Row> rows;
  for (const std::string& word : words) rows.push_back(make_row(grid, word, least));
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.most > b.most; });
  *hidden = std::max<int64_t>(0, std::ssize(rows) - most);
  rows.resize(rows.size() - *hidden);
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.first < b.first; });
  return rows;
}

std::string percent(double share) {
  const int64_t rounded = std::isfinite(share) ? std::llround(share * 100) : 0;
  const std::string text = std::to_string(rounded);
  return std::string(std::max<int64_t>(0, kPercent - 1 - std::ssize(text)), ' ') + text;
}

std::string row_label(const ThoughtGrid& grid, const std::string& word, int64_t width, bool colour) {
  if (word == grid.reachable && !word.empty()) return pad(paint(word + " ✓", Tone::good, colour), width);
  if (word == grid.unreachable && !word.empty()) return pad(paint(word + " ✗", Tone::bad, colour), width);
  return pad(word, width);
}

// Probability that each thought gives to its true frontier, together.
std::vector<double> frontier_mass(const ThoughtGrid& grid) {
  std::vector<double> mass(grid.thoughts.size(), 0);
  for (size_t k = 0; k < std::min(mass.size(), grid.frontiers.size()); ++k) {
    for (const auto& [word, share] : grid.thoughts[k]) {
      if (std::count(grid.frontiers[k].begin(), grid.frontiers[k].end(), word) > 0) mass[k] += share;
    }
  }
  return mass;
}

struct Panel {
  size_t begin, end;  // thoughts
  int64_t label, bar;
  double full;
};

std::string cell(double share, bool frontier, const Panel& panel, bool colour) {
  std::string out = frontier ? paint("•", Tone::bold, colour) : " ";
  const bool visible = share >= 0.005;
  const std::string lit = bar(share / panel.full, panel.bar);
  out += paint(lit, frontier ? Tone::good : Tone::lit, colour) + std::string(panel.bar - display_width(lit), ' ');
  return out + (visible ? percent(share) : std::string(kPercent - 1, ' ')) + " ";
}

void draw_panel(Lines& lines, const ThoughtGrid& grid, const std::vector<Row>& rows, const Panel& panel, bool colour) {
  const int64_t cell_width = 1 + panel.bar + kPercent;
  const auto finish = [&](std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
  };
  std::string head = pad("thought", panel.label);
  for (size_t k = panel.begin; k < panel.end; ++k) head += pad(" " + std::to_string(k + 1), cell_width);
  finish(paint(head.substr(0, head.find_last_not_of(' ') + 1), Tone::bold, colour));
  for (const Row& row : rows) {
    std::string line = row_label(grid, row.word, panel.label, colour);
    for (size_t k = panel.begin; k < panel.end; ++k) line += cell(row.share[k], row.frontier[k], panel, colour);
    finish(std::move(line));
  }
  if (grid.frontiers.empty()) return;
  std::string line = pad("on •", panel.label);
  const std::vector<double> mass = frontier_mass(grid);
  for (size_t k = panel.begin; k < panel.end; ++k) {
    const bool known = k < grid.frontiers.size() && !grid.frontiers[k].empty();
    line += std::string(1 + panel.bar, ' ') + (known ? percent(mass[k]) : "   –") + " ";
  }
  finish(std::move(line));
}

}  // namespace

double full_bar(const ThoughtGrid& grid, const GridOptions& rows_wanted) {
  constexpr double kLeast = 0.05;
  int64_t hidden = 0;
  double most = kLeast;
  for (const Row& row : make_rows(grid, rows_wanted.least, rows_wanted.max_rows, &hidden))
    most = std::max(most, row.most);
  return most;
}

int64_t grid_width(int64_t thoughts) { return 8 + thoughts * (1 + kLeastBar + kPercent); }

ThoughtGrid with_truth(ThoughtGrid grid, const GraphQuestion& question) {
  std::vector<std::string> level;
  if (grid.explored) level.push_back(question.words[question.root]);
  for (size_t k = 0; k < grid.thoughts.size(); ++k) {
    if (!grid.explored) level.clear();
    for (const int64_t node : question.at_distance(static_cast<int64_t>(k) + 1)) level.push_back(question.words[node]);
    grid.frontiers.push_back(level);
  }
  if (const int64_t answer = question.answer(); answer >= 0) {
    const bool first = answer == question.candidates[0];
    grid.reachable = question.words[answer];
    grid.unreachable = question.words[question.candidates[first ? 1 : 0]];
  }
  return grid;
}

Lines thought_bars(const ThoughtGrid& grid, const RenderOptions& options, const GridOptions& rows_wanted) {
  int64_t hidden = 0;
  const std::vector<Row> rows = make_rows(grid, rows_wanted.least, rows_wanted.max_rows, &hidden);
  int64_t label = display_width("thought");
  for (const Row& row : rows) label = std::max(label, display_width(row.word) + 2);
  label = std::min(label + 1, std::max<int64_t>(8, options.width / 3));

  const int64_t thoughts = std::ssize(grid.thoughts), room = options.width - label;
  const int64_t fitting = std::max<int64_t>(1, room / (1 + kLeastBar + kPercent));
  const int64_t panels = std::max<int64_t>(1, (thoughts + fitting - 1) / fitting);
  const int64_t in_panel = std::max<int64_t>(1, (thoughts + panels - 1) / panels);
  const int64_t columns = std::clamp<int64_t>(room / in_panel - 1 - kPercent, 1, kMostBar);

  const double full = rows_wanted.full > 0 ? rows_wanted.full : full_bar(grid, rows_wanted);
  Lines lines;
  for (int64_t begin = 0; begin < thoughts; begin += in_panel) {
    if (begin > 0) lines.emplace_back();
    const Panel panel{static_cast<size_t>(begin), static_cast<size_t>(std::min(thoughts, begin + in_panel)), label,
                      columns, full};
    draw_panel(lines, grid, rows, panel, options.colour);
  }
  if (thoughts == 0) lines.emplace_back("(no thoughts)");
  if (hidden > 0) lines.push_back("and " + std::to_string(hidden) + " more nodes");
  if (thoughts > 0) {
    std::string legend = "in percent, a full bar is " + std::to_string(std::llround(full * 100));
    if (!grid.frontiers.empty()) {
      legend += std::string("; • marks the nodes ") +
                (grid.explored ? "within this many steps of" : "this many steps from") + " the root";
    }
    for (const std::string& line : wrap_text(legend, options.width))
      lines.push_back(paint(line, Tone::dim, options.colour));
  }
  for (std::string& line : lines) line = clip(line, options.width);
  return lines;
}

}  // namespace tacit
