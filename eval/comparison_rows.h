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

// Whether a halting rule that reads the reference answer ended the thinking, as far as a run records it.
bool halts_by_answer(const ComparedRow& row);
// ComparisonRow::answered_again; 0 where a run does not record its checkpoint's answer marker.
int64_t count_answered_again(const ComparedRow& row, const PairedSamples& samples, size_t r);

// Holm's correction of the tests against the baseline, and apart from them of those against clean rows.
void correct_for_many(Comparison& comparison);
void mark_unsolved(std::vector<ComparisonRow>& rows, const PairedSamples& samples);  // ComparisonRow::solved_fewer
void mark_front(std::vector<ComparisonRow>& rows);  // ComparisonRow::on_front, of rows marked by the above
// The first eight samples, one a problem, that some rows get right and others wrong; those first in which rows with
// nothing changed differ.
std::vector<Disagreement> find_disagreements(const std::vector<ComparisonRow>& rows, const PairedSamples& samples);

// By what a run was scored again after it was made, of several scorers the one that decides: "gsm8k_strict, as task
// other of 1f2e3d4c (its file's hash), on corrected.jsonl"; "" = it was not.
std::string rescored_by(const OrderedJson& record);
// Rows whose runs were scored again after they were made, and by what: the commands that made them do not give these
// figures.
std::vector<std::string> notes_on_rescoring(const std::vector<ComparedRow>& rows);
// Which rows, those with something changed aside, are not told from the baseline, and how many problems that would
// take; what samples share problems.
std::vector<std::string> notes_on_tests(const Comparison& comparison, const PairedSamples& samples);
// Rows whose runs, or whose repeats of every problem, all answered alike, so that several say no more than one;
// problems and repeats of them that not all rows have.
std::vector<std::string> notes_on_runs(const std::vector<ComparedRow>& rows, const PairedSamples& samples);

}  // namespace tacit
