#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "eval/compare.h"

namespace tacit::test {

// What a model may write that a page must not take for its own: markup, broken UTF-8, controls, a bidi override.
inline const std::string kHostile =
    "<script>alert(1)</script>\"'&amp;<img src=x onerror=alert(2)>\xff\xc3\x01\x7f\xc2\x85\xef\xbf\xbf ]]> --> \u202E";

using NamedRuns = std::vector<std::pair<std::string, Run>>;

// A run whose i-th problem is right where `right` has a '1'; problem i has depth 3 + i % 3.
inline Run page_run(const std::string& method, const std::string& right, const std::string& thoughts, double flops,
                    double ms) {
  Run run;
  for (size_t i = 0; i < right.size(); ++i) {
    Sample s;
    s.task = "reach";
    s.id = "p/" + std::to_string(i);
    s.method = method;
    s.question = "3 5 | 5 " + std::to_string(i) + " | [Q] 9 4 [R] 3";
    s.thoughts = thoughts;
    s.expected = "4";
    s.answer = s.text = right[i] == '1' ? "4" : "9";
    s.extracted = true;
    s.correct = right[i] == '1';
    s.depth = 3 + static_cast<int64_t>(i) % 3;
    s.steps = 3;
    s.tokens = 1;
    s.flops = static_cast<int64_t>(flops);
    s.ms_prefill = s.ms_think = s.ms_answer = 1;
    run.samples.push_back(s);
  }
  Metrics known;
  known.model = known.method = method;
  known.task = "reach";
  known.ms_median = ms;
  known.ms_p95 = 3 * ms;
  known.heuristics = {{"lower in-degree", "the candidate that fewer edges lead to", .5, 0},
                      {"first candidate", "the candidate that the question lists first", .625, 16}};
  run.metrics = score_samples(run.samples, known);
  return run;
}

inline const std::string kReadouts = "7 .52 3 .44 | 9 .98 4 .02 | 4 1.00";

inline NamedRuns page_runs() {
  return {{"frontier", page_run("frontier", "1111111111111101", kReadouts, 2e8, 3.5)},
          {"frontier +swap", page_run("frontier", "0110100110010110", kReadouts, 2e8, 3.25)},
          {"cot", page_run("cot", "1100110000110001", "3 5 9", 3e8, 5.75)},
          {"direct", page_run("direct", "0000111100001111", "", 1e8, 1.5)}};
}

// With everything that a page may show.
inline Comparison page_comparison(const NamedRuns& runs = page_runs()) {
  Comparison c = compare(runs, "cot", {{"frontier +swap", "frontier"}});
  for (ComparisonRow& row : c.rows) {
    row.by_latents.clear();
    row.on_front = row.name == "frontier" || row.name == "direct";
    row.seeds = {{7, 8, row.metrics.correct / 2}, {8, 8, row.metrics.correct - row.metrics.correct / 2}};
    row.p_holm = std::min(1., 3 * row.p_value);
  }
  c.rows[0].by_latents = {
      {0, .25, {.125, .5}, 1.5e8, 2}, {2, .75, {.5, .9375}, 1.75e8, 3}, {6, .9375, {.75, 1}, 2e8, 3.5}};
  c.notes = {"dtype differs: frontier fp32, cot bf16"};
  c.provenance = {{"command", {"tacit", "compare", "--seed", "7"}}, {"seed", 7}, {"dtype", "fp32"}};
  return c;
}

}  // namespace tacit::test
