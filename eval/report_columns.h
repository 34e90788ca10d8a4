#pragma once

#include <string>
#include <vector>

#include "eval/compare.h"

namespace tacit {

inline const std::string kNotMeasured = "–";  // or not applicable

// One column of a report's table, the same for every form of the report.
struct ReportColumn {
  std::string head;
  std::vector<std::string> cells;  // one a row, or kNotMeasured
  bool right = true;               // aligned at the right
  int importance = 10;             // a narrow terminal drops the lowest first; 10 stays
};

// Model, method (unless it only repeats the model's name), accuracy, interval, p, where rows pool samples of one
// problem the difference and its p, Holm's p where several are tested, p against the clean row, steps, share of chains
// cut off (where one is), tokens, FLOPs a problem, of several rows who is on the front of accuracy against them, bytes
// stored, median ms of a problem alone, p95 and phases (where measured), problems/s.
std::vector<ReportColumn> report_columns(const Comparison& comparison);
// Accuracy by depth: a column of names, then one a depth with its number of samples; empty when no run has depths.
std::vector<ReportColumn> depth_columns(const Comparison& comparison);
// Accuracy by seed and by number of thoughts: names, then a column each; empty when no row has several.
std::vector<ReportColumn> seed_columns(const Comparison& comparison);
std::vector<ReportColumn> latents_columns(const Comparison& comparison);
// ", 5 not solved": problems that were too long; "" where none was.
std::string unsolved_text(const LatentsScore& score);
// The tables that stand below the first: depths, seeds, numbers of thoughts, as far as there are any.
std::vector<std::vector<ReportColumn>> further_tables(const Comparison& comparison);
// "label-blind rules on the same problems: lower in-degree 50.0 %, .." or "".
std::string heuristics_text(const Comparison& comparison);
// What a run records, in words: "prosqa", "7", "tacit 0.1.0, torch 2.11.0", or of several runs "0 1 2"; null is "–",
// and a text of several lines stands quoted, in one. Of a hash the beginning.
std::string recorded_text(const OrderedJson& value, bool hash = false);
// How the numbers came about, a line each: the command as typed, versions and machine, data, weights. What is not known
// is left out.
std::vector<std::string> provenance_lines(const Comparison& comparison);
// "prosqa, 300 problems", "prosqa, 300 problems, 900 samples a row, bf16, weights in int8"
std::string report_title(const Comparison& comparison);

}  // namespace tacit
