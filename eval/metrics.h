#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "datasets/audit.h"
#include "eval/sample.h"
#include "eval/statistics.h"
#include "lib/core/json.h"

namespace tacit {

struct DepthAccuracy {
  int64_t depth = 0, examples = 0;
  double accuracy = 0;
  Interval accuracy_ci;  // as Metrics::accuracy_ci
};

// What a scorer beside the first counted.
struct ScorerMetrics {
  std::string scorer;
  int64_t correct = 0, not_extracted = 0;
  double accuracy = 0;
  Interval accuracy_ci;
};

struct Metrics {
  std::string model, method, task;
  int64_t examples = 0, correct = 0, not_extracted = 0;
  double accuracy = 0;
  Interval accuracy_ci;                    // 95 %, share_interval() over problems, repeats together
  double mean_steps = 0, mean_tokens = 0;  // these and all costs are of what was solved
  double mean_flops = 0;                   // a problem (eval/flops.h); 0 = unknown
  double mean_memory_bytes = 0;            // what the row had stored at its end, all layers; 0 = unknown
  double mean_recurrences = 0;             // after which positions left; 0 = none leaves early
  std::vector<ScorerMetrics> scorers;      // those after the first
  int64_t cut_off = 0;                     // written chains that ran into the cap on words
  int64_t answers_cut_off = 0;             // answers that ran into the cap on answer tokens
  int64_t too_long = 0;                    // problems that need more positions than the model has, counted as wrong
  // One problem at a time: median and 95th percentile of the whole solve, and medians by phase; 0 when not measured,
  // null as JSON.
  double ms_median = 0, ms_p95 = 0, ms_prefill = 0, ms_think = 0, ms_answer = 0;
  double problems_per_s = 0;  // in batches
  std::vector<DepthAccuracy> accuracy_by_depth;
  std::vector<Heuristic> heuristics;  // label-blind rules on the same examples, graph tasks only

  int64_t solved() const { return examples - too_long; }
};
OrderedJson to_json(const Metrics& metrics);
OrderedJson to_json(const std::vector<Heuristic>& heuristics);
Metrics metrics_from_json(const Json& json, const std::string& operation, const std::string& source);

// What samples say: counts, accuracy, means and throughput. The names, the figures of single problems (ms_*) and the
// heuristics, which samples do not hold, are `known`'s.
Metrics score_samples(const std::vector<Sample>& samples, Metrics known);

}  // namespace tacit
