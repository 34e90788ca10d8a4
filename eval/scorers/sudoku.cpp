#include "eval/scorers/sudoku.h"

#include <cctype>
#include <set>

#include "eval/scorers/plain_text.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

struct Grid {
  std::string givens;  // row by row, '0' = empty
  int64_t side = 0, box_rows = 0, box_columns = 0;
};

Grid grid_of(const Example& example) {
  const bool there = example.meta.is_object() && example.meta.contains("puzzle") && example.meta["puzzle"].is_string();
  require(there, "score", "expected meta.puzzle of '", example.id, "' to be a string of digits");
  Grid grid;
  for (const char c : example.meta["puzzle"].get<std::string>()) {
    if (std::isspace(static_cast<unsigned char>(c))) continue;
    grid.givens += c == '.' || c == '_' || c == '*' ? '0' : c;
  }
  const size_t cells = grid.givens.size();
  if (cells == 16) grid.side = 4, grid.box_rows = 2, grid.box_columns = 2;
  if (cells == 36) grid.side = 6, grid.box_rows = 2, grid.box_columns = 3;
  if (cells == 81) grid.side = 9, grid.box_rows = 3, grid.box_columns = 3;
  require(grid.side > 0, "score", "expected meta.puzzle of '", example.id, "' to have 16, 36 or 81 cells but got ",
          cells);
  for (const char c : grid.givens) {
    require(c >= '0' && c <= '0' + grid.side, "score", "expected digits up to ", grid.side, " in meta.puzzle of '",
            example.id, "' but got '", c, "'");
  }
  return grid;
}

// The last run of exactly `cells` digits; "" where there is none.
std::string last_grid(std::string_view text, size_t cells) {
  std::string run, found;
  const auto end_run = [&] {
    if (run.size() == cells) found = run;
    run.clear();
  };
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      run += c;
    } else if (!std::isspace(static_cast<unsigned char>(c)) &&
               std::string_view("|+-,;[]").find(c) == std::string_view::npos) {
      end_run();
    }
  }
  end_run();
  return found;
}

bool solves(const Grid& grid, const std::string& cells) {
  for (size_t i = 0; i < cells.size(); ++i) {
    if (grid.givens[i] != '0' && grid.givens[i] != cells[i]) return false;
    if (cells[i] < '1' || cells[i] > '0' + grid.side) return false;
  }
  const int64_t n = grid.side, boxes_across = n / grid.box_columns;
  for (int64_t unit = 0; unit < n; ++unit) {
    std::set<char> row, column, box;
    for (int64_t k = 0; k < n; ++k) {
      row.insert(cells[unit * n + k]);
      column.insert(cells[k * n + unit]);
      const int64_t r = unit / boxes_across * grid.box_rows + k / grid.box_columns;
      const int64_t c = unit % boxes_across * grid.box_columns + k % grid.box_columns;
      box.insert(cells[r * n + c]);
    }
    if (std::ssize(row) != n || std::ssize(column) != n || std::ssize(box) != n) return false;
  }
  return true;
}

}  // namespace

Scorer sudoku() {
  Scorer out = make_scorer(
      "sudoku", "a completed grid that keeps the givens and the rules",
      [](const Example& example, const std::string& text) {
        return last_grid(announced(text), grid_of(example).givens.size());
      },
      [](const Example& example, const std::string& answer) { return solves(grid_of(example), answer); });
  out.by_itself = true;
  return out;
}

}  // namespace tacit
