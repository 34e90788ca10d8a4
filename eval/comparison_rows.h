#pragma once

#include <string>
#include <vector>

#include "eval/paired_samples.h"

namespace tacit {

// The parts that compare() makes a table of.

// Of the row's paired samples, each counted once; times are the mean of those runs that measured any, heuristics those
// of all runs' examples, none where the paired ones are not all.
Metrics pool_metrics(const ComparedRow& row, const PairedSamples& samples, size_t r);
std::vector<SeedScore> pool_seeds(const ComparedRow& row, const PairedSamples& samples, size_t r);
// Each number of thoughts on the problems of all its runs; its own number, where it is among them, is `own`.
std::vector<LatentsScore> pool_latents(const ComparedRow& row, const Metrics& own);

// Holm's correction of the tests against the baseline, and apart from them of those against clean rows.
void correct_for_many(Comparison& comparison);
void mark_front(std::vector<ComparisonRow>& rows);
// The first eight samples, one a problem, that some rows get right and others wrong; those first in which rows with
// nothing changed differ.
std::vector<Disagreement> find_disagreements(const std::vector<ComparisonRow>& rows, const PairedSamples& samples);

// Rows whose runs were scored again after they were made, and by what: the commands that made them do not give these
// figures.
std::vector<std::string> notes_on_rescoring(const std::vector<ComparedRow>& rows);
// Which rows, those with something changed aside, are not told from the baseline, and how many problems that would
// take; what samples share problems.
std::vector<std::string> notes_on_tests(const Comparison& comparison, const PairedSamples& samples);
// Rows whose runs, or whose repeats of every problem, all answered alike, so that several say no more than one;
// problems that not all rows have.
std::vector<std::string> notes_on_runs(const std::vector<ComparedRow>& rows, const PairedSamples& samples);

}  // namespace tacit
