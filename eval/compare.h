#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eval/paired_statistics.h"
#include "eval/run.h"

namespace tacit {

// Two rows on the same examples.
struct PairedTest {
  std::string against;                    // the other row
  int64_t only_this = 0, only_other = 0;  // right where the other is wrong
  double p_value = 1;                     // sign_flip_test() over problems; of one sample a problem McNemar's
  Difference difference;                  // of accuracies, this one's less the other's; problems drawn as a whole
  double p_holm = 1;                      // after Holm's correction over the rows that are something changed
};

// One of several runs of a row: on problems of another seed, or of a model of another training seed.
struct SeedScore {
  uint64_t seed = 0;
  int64_t examples = 0, correct = 0;
  std::string model;  // where the row pools several
};

// A row with another number of thoughts.
struct LatentsScore {
  int64_t latents = 0;
  double accuracy = 0;
  Interval accuracy_ci;
  double mean_flops = 0, ms_median = 0;  // 0 = unknown
  int64_t examples = 0, too_long = 0;    // samples, and Metrics::too_long of them, which FLOPs and ms leave out
};

// A problem that some rows get right and others wrong, for a reader to look at.
struct Disagreement {
  std::string id, question, expected;
  std::vector<Sample> samples;  // by row
};

// Runs side by side on their common examples.
struct ComparisonRow {
  std::string name;
  Metrics metrics;                           // of the common samples; the figures of single problems are the runs'
  int64_t only_this = 0, only_baseline = 0;  // right where the other is wrong
  double p_value = 1;                        // as PairedTest::p_value, against the baseline row
  double p_holm = 1;                         // after Holm's correction over the tested rows
  bool tested = false;                   // against the baseline: every other row that is not one with something changed
  Difference difference;                 // of accuracies, less the baseline's; problems drawn as a whole
  std::optional<PairedTest> clean;       // where the row is another one with something changed
  std::vector<SeedScore> seeds;          // where the row pools several
  std::vector<LatentsScore> by_latents;  // where they were run, in rising order
  // No other row is at least as accurate for fewer mean_flops, or more so for as many; rows that are off_front() do not
  // count.
  bool on_front = false;
  bool halts_by_answer = false;  // the halting rule reads the reference answer (HaltRule::Kind::oracle)
  // Left problems unsolved (Metrics::too_long) that another row, with nothing changed and no reference answer to halt
  // by, solved: its costs are of fewer.
  bool solved_fewer = false;
  // Texts that write the checkpoint's answer marker again and behind it another answer than the one that is scored.
  int64_t answered_again = 0;

  // Whether fronts of accuracy against costs leave it out.
  bool off_front() const { return clean || halts_by_answer || solved_fewer; }
};

struct Comparison {
  std::string task, title;  // title: of the report; the task's name unless the caller sets it
  std::string baseline;     // name of the row the others are tested against, "" = no test
  int64_t examples = 0;     // problems
  int64_t samples = 0;      // that every test pairs: more where rows pool several runs or hold repeats
  std::vector<ComparisonRow> rows;
  std::vector<Heuristic> heuristics;        // on the same examples; empty when no run has them
  std::vector<Disagreement> disagreements;  // the first few, where rows differ
  std::vector<std::string> notes;           // what a reader must know to compare rows: "dtype differs: a fp32, b bf16"
  // What the runs record (eval/run_record.cpp): data, seeds, weights, machine, versions, of their settings `writing`
  // (writing_of()); in `by_row` by name what they differ in. The caller adds `command`, its own, and `run_commands`,
  // those of the runs where they are others.
  OrderedJson provenance;
};

// Fails where runs, by name, record that they are of other tasks or other problems (Run::record; null = unknown).
void require_same_problems(const std::vector<std::pair<std::string, OrderedJson>>& records);

// Fails where two records of one row's runs say that the thinking was another: method, its options but for what it
// draws by, thoughts, halt, intervention, decoding.
void require_same_method(const std::string& row, const OrderedJson& a, const OrderedJson& b);

// How a run's text is marked and capped, {"markers", "max_words"} of its settings; null where it records none.
OrderedJson writing_of(const OrderedJson& record);

// One row of a table from its runs: one each on problems of several seeds, or of models of several training seeds.
struct ComparedRow {
  std::string name;
  // Run k of one row is paired with run k of another. A row of fewer has a number that divides the largest, and its
  // runs stand for those of the others in turn: one model's runs on two seeds for each of three models'.
  std::vector<Run> runs;
  std::map<int64_t, std::vector<Run>> by_latents = {};  // the same with other numbers of thoughts
  std::vector<uint64_t> seeds = {};  // by run, for ComparisonRow::seeds; empty = that of the problems

  const Run& run(size_t k) const { return runs[k % runs.size()]; }
};

// Run k of all rows must share their examples (compared by id; the common ones are used), their task and, as far as
// they record it, their data. Fails when the same id is another problem in two runs. Samples of one problem, whichever
// run and repeat they are of, are drawn together for intervals and differences, and tested together. The baseline is
// the row called `baseline`; empty = no test. `clean`, by name of a row: that of the row which it is with something
// changed, as by an intervention; the two are tested as well.
Comparison compare(const std::vector<ComparedRow>& rows, const std::string& baseline,
                   const std::map<std::string, std::string>& clean = {});
// Rows of one run each.
Comparison compare(const std::vector<std::pair<std::string, Run>>& runs, const std::string& baseline,
                   const std::map<std::string, std::string>& clean = {});

// Fitted to `width` columns as far as names and accuracies allow: the bars shrink first, then columns go, the least
// important first. Ends with a line end.
std::string terminal_table(const Comparison& comparison, int64_t width, bool colour);
std::string markdown_table(const Comparison& comparison);  // GitHub's Markdown
// A tabular for a paper: the columns that a narrow terminal keeps longest, chance and the best label-blind rule as
// rows, and as comments the title, notes, findings and how the numbers came about. Needs the package booktabs.
std::string latex_table(const Comparison& comparison);
OrderedJson to_json(const Comparison& comparison);

}  // namespace tacit
