#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/graph_question.h"

namespace tacit {

// Text for a terminal as lines without line ends, none wider than asked for. ANSI codes only with `colour`.
using Lines = std::vector<std::string>;

struct RenderOptions {
  int64_t width = 100;  // columns
  bool colour = false;
};

enum class Tone { plain, bold, dim, good, bad, lit };
std::string paint(std::string_view text, Tone tone, bool colour);

int64_t display_width(std::string_view text);            // columns; ANSI codes take none
std::string clip(std::string_view text, int64_t width);  // ends with "…" when something was cut
std::string pad(std::string_view text, int64_t width);   // clip, then spaces up to the width

// As many words a line as fit.
Lines wrap_words(const std::vector<std::string>& words, int64_t width);
Lines wrap_text(std::string_view text, int64_t width);
// The same, and a word wider than a line goes on in the next: nothing is left out.
Lines wrap_whole(std::string_view text, int64_t width);
// As many parts a line as fit, " · " between them.
Lines wrap_parts(const std::vector<std::string>& parts, int64_t width);
// Cut at the width wherever that is, as for a path, and nothing left out.
Lines fold_text(std::string_view text, int64_t width);

// A bar of `columns` columns that is filled to `share` (0..1) in eighths.
std::string bar(double share, int64_t columns);

// What one thought says, most likely first.
using WordShares = std::vector<std::pair<std::string, double>>;

// The readouts of all thoughts of one problem. The last three fields stay empty when nothing is known about the
// problem.
struct ThoughtGrid {
  std::vector<WordShares> thoughts;
  bool explored = false;  // frontiers hold all nodes within k + 1 steps (MethodSettings::frontier)
  std::vector<std::vector<std::string>> frontiers;  // of thought k: the nodes that are k + 1 steps away
  std::string reachable, unreachable;               // candidates
};
// Fills the last three from the question's graph.
ThoughtGrid with_truth(ThoughtGrid grid, const GraphQuestion& question);

// A row for every node that reaches `least` in some thought or belongs to its frontier, a column for every thought, in
// each cell a bar and the probability in percent; several panels below each other where the width does not hold all
// thoughts.
struct GridOptions {
  double least = 0.03;
  int64_t max_rows = 24;
  double full = 0;  // share that a full bar stands for; 0 = full_bar() of this grid
};
Lines thought_bars(const ThoughtGrid& grid, const RenderOptions& options, const GridOptions& rows = {});
// The largest share that is drawn, at least 5 %: a thought that holds many nodes gives each a small share, which should
// still be seen.
double full_bar(const ThoughtGrid& grid, const GridOptions& rows = {});

// A chain of thought in words, a word (or a level, where ';' ends levels) a line, and what it committed to: which edges
// it took, which it left. `question` may be null.
Lines word_chain(const std::vector<std::string>& words, const GraphQuestion* question, const RenderOptions& options);

// The problem: root, candidates, and the edges as adjacency lists by distance from the root.
Lines graph_picture(const GraphQuestion& question, const RenderOptions& options);

// Two columns with a line between them, or one above the other where the width holds no two.
Lines side_by_side(const Lines& left, const Lines& right, int64_t left_width, const RenderOptions& options);

// Columns that a picture of `thoughts` thoughts takes at least, in one panel.
int64_t grid_width(int64_t thoughts);

}  // namespace tacit
