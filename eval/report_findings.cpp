#include "eval/report_findings.h"

#include <algorithm>
#include <map>

#include "eval/plot/markup.h"
#include "eval/report_plots.h"

namespace tacit {
namespace {

constexpr double kLevel = .05;
constexpr int64_t kFew = 30;

void join(std::string& list, const std::string& item) { list += (list.empty() ? "" : ", ") + item; }

std::string beaten_by_rule(const Comparison& comparison) {
  const Heuristic* rule = best_rule(comparison);
  if (rule == nullptr) rule = chance_rule(comparison);
  if (rule == nullptr) return "";
  std::string rows;
  for (const ComparisonRow* row : plain_rows(comparison)) {
    if (row->halts_by_answer) continue;
    if (row->metrics.accuracy_ci.low <= rule->accuracy) join(rows, row->name);
  }
  if (rows.empty()) return "";
  return "Not shown to beat a rule that never looks for the answer (“" + rule->name + "”, " +
         percent_text(rule->accuracy) + " %): " + rows + ". The interval holds it or lies below.";
}

std::string halted_by_answer(const Comparison& comparison) {
  std::string rows;
  for (const ComparisonRow& row : comparison.rows) {
    if (row.halts_by_answer) join(rows, row.name);
  }
  return rows.empty() ? ""
                      : "The halting rule reads the reference answer (oracle), so that the accuracy is a bound and not "
                        "a result; neither on the front nor held against the rules that never look for the answer: " +
                            rows + ".";
}

std::string answered_again(const Comparison& comparison) {
  std::string rows;
  for (const ComparisonRow& row : comparison.rows) {
    if (row.answered_again == 0) continue;
    join(rows, row.name + " " + std::to_string(row.answered_again) + " of " + std::to_string(row.metrics.solved()));
  }
  return rows.empty() ? ""
                      : "Texts that write the answer marker themselves and behind it another answer than the one that "
                        "is scored: " +
                            rows + ".";
}

std::string thoughts_without_effect(const Comparison& comparison) {
  std::string rows;
  for (const ComparisonRow* clean : plain_rows(comparison)) {
    std::string changes;
    for (const ComparisonRow& row : comparison.rows) {
      if (!row.clean || row.clean->against != clean->name || row.clean->p_value < kLevel) continue;
      join(changes, change_of(row) + " (p " + p_value_text(row.clean->p_value) + ")");
    }
    if (!changes.empty()) rows += (rows.empty() ? "" : "; ") + clean->name + " with " + changes;
  }
  return rows.empty() ? "" : "Replacing the thoughts changes the accuracy by nothing that can be told: " + rows + ".";
}

std::string lost_to_holm(const Comparison& comparison) {
  std::string rows;
  const auto lost = [&](const std::string& name, double p, double p_holm) {
    if (p >= kLevel || p_holm < kLevel) return;
    join(rows, name + " (p " + p_value_text(p) + ", Holm " + p_value_text(p_holm) + ")");
  };
  for (const ComparisonRow& row : comparison.rows) {
    if (row.tested) lost(row.name, row.p_value, row.p_holm);
    if (row.clean) lost(row.name, row.clean->p_value, row.clean->p_holm);
  }
  return rows.empty() ? "" : "Below .05 by themselves, not after Holm's correction: " + rows + ".";
}

std::string cut_off(const Comparison& comparison) {
  std::string rows;
  for (const ComparisonRow* row : plain_rows(comparison)) {
    const Metrics& m = row->metrics;
    const double share = m.solved() == 0 ? 0 : static_cast<double>(m.cut_off) / static_cast<double>(m.solved());
    if (share >= kLevel) join(rows, row->name + " " + percent_text(share) + " %");
  }
  return rows.empty() ? "" : "Written chains that ran into the cap on words: " + rows + ".";
}

// Of each clean row in which at least a share of kLevel has it: "name 31 of 40".
std::string rows_with(const Comparison& comparison, int64_t Metrics::*count, double least = kLevel) {
  std::string rows;
  for (const ComparisonRow* row : plain_rows(comparison)) {
    const Metrics& m = row->metrics;
    const int64_t all = count == &Metrics::too_long ? m.examples : m.solved();
    if (m.*count == 0 || static_cast<double>(m.*count) < least * static_cast<double>(all)) continue;
    join(rows, row->name + " " + std::to_string(m.*count) + " of " + std::to_string(all));
  }
  return rows;
}

std::string without_answer(const Comparison& comparison) {
  const std::string rows = rows_with(comparison, &Metrics::not_extracted);
  return rows.empty() ? "" : "No answer was found in the text, which counts as wrong: " + rows + ".";
}

std::string answers_cut_off(const Comparison& comparison) {
  const std::string rows = rows_with(comparison, &Metrics::answers_cut_off);
  return rows.empty()
             ? ""
             : "Answers as long as the cap on answer tokens (--max-answer-tokens) allows, so perhaps cut off: " + rows +
                   ".";
}

std::string too_long(const Comparison& comparison) {
  std::string rows = rows_with(comparison, &Metrics::too_long, 0), off;
  for (const ComparisonRow* row : plain_rows(comparison)) {
    for (const LatentsScore& l : row->by_latents) {
      if (l.too_long > 0)
        join(rows, row->name + " with " + std::to_string(l.latents) + (l.latents == 1 ? " thought " : " thoughts ") +
                       std::to_string(l.too_long) + " of " + std::to_string(l.examples));
    }
    const Metrics& m = row->metrics;
    if (row->solved_fewer && (m.mean_flops > 0 || m.ms_median > 0)) join(off, row->name);
  }
  if (rows.empty()) return "";
  return "Problems that need more positions than the model has, not solved and counted as wrong: " + rows +
         ". Steps, tokens, operations, memory and times are of the others" +
         (off.empty() ? "." : "; not on the front, since other rows solved some of these: " + off + ".");
}

std::string thin_depths(const Comparison& comparison) {
  std::map<int64_t, int64_t> depths;  // and their problems: samples are as many times that in every depth
  for (const ComparisonRow& row : comparison.rows) {
    for (const DepthAccuracy& d : row.metrics.accuracy_by_depth)
      depths[d.depth] = d.examples * comparison.examples / row.metrics.examples;
  }
  std::string few;
  for (const auto& [depth, examples] : depths) {
    if (examples < kFew) join(few, std::to_string(examples) + " at depth " + std::to_string(depth));
  }
  return few.empty() ? "" : "Few problems, wide intervals: " + few + ".";
}

}  // namespace

std::vector<std::string> negative_findings(const Comparison& comparison) {
  std::vector<std::string> out = {
      beaten_by_rule(comparison), halted_by_answer(comparison), thoughts_without_effect(comparison),
      lost_to_holm(comparison),   cut_off(comparison),          answers_cut_off(comparison),
      without_answer(comparison), too_long(comparison),         answered_again(comparison),
      thin_depths(comparison)};
  std::erase(out, "");
  return out;
}

}  // namespace tacit
