#pragma once

#include "eval/scorer.h"

namespace tacit {

// A completed grid of 4 x 4, 6 x 6 (boxes of 2 rows and 3 columns) or 9 x 9: every row, column and box holds every
// digit once and the givens of meta.puzzle (a string of digits row by row, 0 . _ or * = empty) are kept. Whether it is
// the reference does not matter. The answer is the last run of as many digits as the grid has cells, behind the last
// announcement where there is one; white space and | + - , ; [ ] between digits are skipped.
Scorer sudoku();

}  // namespace tacit
