#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "datasets/audit.h"
#include "datasets/generated_task.h"

namespace tacit {

// What a data set of any task holds, and what rules score on it that never do the reasoning.
struct TextAudit {
  int64_t examples = 0;
  int64_t duplicates = 0;      // examples whose question text occurred before
  int64_t contradictions = 0;  // .. with another answer
  int64_t empty_answers = 0;
  std::vector<std::pair<int64_t, int64_t>> depth_counts;  // (meta.depth, examples); empty where no example has one
  double mean_words = 0;                                  // of a question
  int64_t min_words = 0, max_words = 0;
  double mean_answer_words = 0;
  int64_t max_answer_words = 0;
  double mean_steps = 0;
  int64_t max_steps = 0;
  std::vector<std::pair<std::string, int64_t>> answers;  // with their numbers, most frequent first
  // "most frequent answer", then the rules given. A rule that says nothing has not decided and scores nothing.
  std::vector<Heuristic> heuristics;
};
// Whether the text is a right answer; where a task's scorer says more than whether it is the reference's text.
using TextVerdict = std::function<bool(const Example& example, const std::string& text)>;
TextAudit audit_text(const std::vector<Example>& examples, const std::vector<GuessRule>& rules,
                     const TextVerdict& right = {});
OrderedJson to_json(const TextAudit& audit);

}  // namespace tacit
