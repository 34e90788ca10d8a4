#include "eval/flops.h"

#include <algorithm>

#include "lib/model/accounting.h"

namespace tacit {

int64_t problem_flops(const ModelConfig& config, int64_t recurrences, const Procedure& procedure, int64_t prompt_tokens,
                      const Solution& solution) {
  ModelConfig c = config;
  if (recurrences > 0) c.depth.recurrences = recurrences;
  c.bidirectional = procedure.reads_at_once(config);  // a mask is computed in full
  const int64_t vocabulary = token_cost(c, 1).flops - thought_cost(c, 1).flops;
  const int64_t thoughts = solution.thoughts.steps[0], times = procedure.parallel ? procedure.parallel->iterations : 1;
  int64_t sum = 0, stored = 0;
  const auto feed = [&](int64_t positions, int64_t each) {
    for (int64_t i = 0; i < positions; ++i) sum += each * thought_cost(c, ++stored).flops;
  };
  if (solution.work) {
    for (const auto& [before, count] : solution.work->fed) sum += count * thought_cost(c, before + 1).flops;
    return sum + solution.work->readings * vocabulary;
  }
  if (c.bidirectional) {
    sum = prompt_tokens * prompt_flops_per_token(c, prompt_tokens);
  } else {
    feed(prompt_tokens, 1);
  }
  feed(thoughts, times);
  if (procedure.in_words) sum += (thoughts + solution.thoughts.halted[0]) * vocabulary;
  feed(std::ssize(procedure.answer_marker), 1);
  if (!solution.choices.empty()) {
    const int64_t before = stored;
    for (const ChoiceLikelihood& choice : solution.choices[0]) {  // each behind a copy of the row
      stored = before;
      sum += choice.tokens * vocabulary;
      feed(choice.tokens - 1, 1);
    }
    return sum;
  }
  const Decoded& answer = solution.answers[0];
  const int64_t tokens = std::ssize(answer.tokens), read = tokens + answer.stopped;
  sum += read * vocabulary;
  feed(std::max<int64_t>(read - 1, 0), 1);
  return sum;
}

int64_t problem_memory_bytes(const ModelConfig& config, int64_t recurrences, const Procedure& procedure,
                             int64_t prompt_tokens, const Solution& solution, int64_t bytes_per_value) {
  if (procedure.mask) return 0;
  ModelConfig c = config;
  if (recurrences > 0) c.depth.recurrences = recurrences;
  const Decoded& answer = solution.answers[0];
  const int64_t fed = std::max<int64_t>(std::ssize(answer.tokens) + answer.stopped - 1, 0);
  const int64_t stored = prompt_tokens + solution.thoughts.steps[0] + std::ssize(procedure.answer_marker) + fed;
  int64_t sum = 0;
  for (const int64_t bytes : memory_bytes(c, stored, bytes_per_value)) sum += bytes;
  return sum;
}

}  // namespace tacit
