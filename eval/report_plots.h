#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/compare.h"
#include "eval/plot/dot_plot.h"
#include "eval/plot/xy_plot.h"

namespace tacit {

// The rows that plots draw: those that are not another row with something changed.
std::vector<const ComparisonRow*> plain_rows(const Comparison& comparison);
// What distinguishes a changed row from its clean one: "+swap" of "frontier +swap", and of a folder's "frontier+swap".
std::string change_of(const ComparisonRow& row);
// Of a row by name: its colour and shape in every plot; that of its clean row where it is a changed one.
int64_t style_of(const Comparison& comparison, const std::string& name);

// What a rule scores that never decides and so guesses (a share), if the comparison has one.
const Heuristic* chance_rule(const Comparison& comparison);
const Heuristic* best_rule(const Comparison& comparison);  // of those that decide; null = none

// The ids of all plots that a report may have.
std::vector<std::string> plot_ids();
// Accuracy against FLOPs and against ms, by depth, by number of thoughts; those whose data exist.
std::vector<XyPlot> xy_plots(const Comparison& comparison);
std::vector<DotPlot> seed_plots(const Comparison& comparison);  // one, or none where no row pools several seeds

}  // namespace tacit
