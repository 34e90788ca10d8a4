#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/compare_flags.h"
#include "eval/compare.h"

namespace tacit {

struct ComparedRows {
  std::vector<ComparedRow> rows;
  std::map<std::string, std::string> clean;  // compare()'s
  bool complete = true;                      // false: other processes have not solved their share
  std::vector<std::string> notes = {};       // what was asked for and left out
};

// Runs the models. What can be refused is refused before the first has run for minutes: all are loaded, all have the
// problems tokenised and their folders opened.
ComparedRows evaluate_rows(const Options& options, const CompareFlags& flags);

// From their folders. A folder that is no run stands for all runs within it.
ComparedRows read_rows(const Options& options, const CompareFlags& flags);

}  // namespace tacit
