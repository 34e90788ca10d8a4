#pragma once

#include "eval/compare.h"
#include "tests/lib/core_support.h"

namespace tacit {

// A run whose i-th problem is right where `right` has a '1'; problem i has depth 3 + i % 2.
inline Run hand_made(const std::string& method, const std::string& right, int64_t first = 0) {
  Run run;
  for (size_t i = 0; i < right.size(); ++i) {
    Sample s;
    s.task = "reach";
    s.id = "p/" + std::to_string(first + static_cast<int64_t>(i));
    s.method = method;
    s.expected = "3";
    s.depth = 3 + (first + static_cast<int64_t>(i)) % 2;
    s.extracted = true;
    s.correct = right[i] == '1';
    s.steps = 6;
    s.tokens = 1;
    s.ms_prefill = 2;
    s.ms_think = 6;
    s.ms_answer = 2;
    run.samples.push_back(s);
  }
  Metrics known;
  known.model = known.method = method;
  known.task = "reach";
  known.ms_median = 12.5;
  known.ms_p95 = 101.4;
  known.heuristics = {{"lower in-degree", "the candidate that fewer edges lead to", 0.5, 0},
                      {"first candidate", "the candidate that the question lists first", 0.625, 16}};
  run.metrics = score_samples(run.samples, known);
  return run;
}

inline Comparison small_comparison() {
  return compare({{"frontier", hand_made("frontier", "1111111111111101")},
                  {"cot", hand_made("cot", "1100110000110001")},
                  {"direct", hand_made("direct", "0000111100001111")}},
                 "cot");
}

// What eval/run_record.cpp would write of a run, as far as a comparison looks.
inline OrderedJson record_of(const std::string& weights, const OrderedJson& more = OrderedJson::object()) {
  OrderedJson out = {{"command", {"tacit", "eval", "--model", weights}},
                     {"weights_sha256", weights + "0123456789abcdefghi"},
                     {"generator", {{"kind", "prosqa"}, {"count", 16}}},
                     {"style", "symbols"},
                     {"labels", 32},
                     {"seed", 7},
                     {"dtype", "fp32"},
                     {"cpu", "one"},
                     {"threads", 1}};
  out.update(more);
  return out;
}

}  // namespace tacit
