#include "decoding/solve.h"

#include <algorithm>
#include <numeric>

#include "decoding/solve_strategy.h"
#include "lib/core/error.h"

namespace tacit {

int64_t answer_tokens(const Procedure& procedure, const SolveOptions& options) {
  return std::min(options.max_answer_tokens, procedure.max_answer_tokens.value_or(options.max_answer_tokens));
}

SessionOptions session_options(const Procedure& procedure, const SolveOptions& options, int64_t rows,
                               int64_t capacity) {
  return {.rows = rows,
          .capacity = capacity,
          .recurrences = options.recurrences,
          .fused = options.fused,
          .keep_layers = procedure.think.feedback.reads_layers,
          .exit = procedure.exit,
          .mask = procedure.mask};
}

int64_t positions_needed(const Procedure& procedure, int64_t prompt_tokens, const SolveOptions& options) {
  constexpr int64_t kMany = int64_t{1} << 32;  // more than any model has; the sum stays exact
  return prompt_tokens + std::ssize(procedure.prompt_suffix) + std::min(procedure.max_thoughts(), kMany) +
         std::ssize(procedure.answer_marker) + std::min(answer_tokens(procedure, options), kMany);
}

int64_t capacity_needed(const Transformer& model, const Procedure& procedure, const TokenRows& prompts,
                        const SolveOptions& options) {
  require(!prompts.empty(), "solve", "expected at least one prompt");
  const auto longest = std::max_element(prompts.begin(), prompts.end(),
                                        [](const auto& a, const auto& b) { return a.size() < b.size(); });
  const int64_t capacity = positions_needed(procedure, std::ssize(*longest), options);
  const int64_t limit = model.config().max_positions;
  require(capacity <= limit, "solve", "expected at most ", limit, " positions (the model's) but row ",
          longest - prompts.begin(), " may need ", capacity, ": ", longest->size() + procedure.prompt_suffix.size(),
          " tokens of prompt, ", procedure.max_thoughts(), " thoughts, ",
          procedure.answer_marker.size() + answer_tokens(procedure, options), " tokens of answer");
  return capacity;
}

TokenRows with_suffix(const Procedure& procedure, TokenRows prompts) {
  for (size_t b = 0; b < prompts.size(); ++b) {
    auto& row = prompts[b];
    row.insert(row.end(), procedure.prompt_suffix.begin(), procedure.prompt_suffix.end());
    require(!row.empty(), "solve", "expected a prompt of at least one token in row ", b);
  }
  return prompts;
}

double mean_exit(const Session& session, int64_t row) {
  const std::vector<int64_t>& exits = session.exits(row);
  if (exits.empty()) return 0;
  return std::accumulate(exits.begin(), exits.end(), 0.0) / static_cast<double>(exits.size());
}

Thoughts think_of(Session& session, const Procedure& procedure, bool keep_trace) {
  if (procedure.parallel) {
    ParallelThinkOptions options = *procedure.parallel;
    options.keep_trace = keep_trace;
    return session.think_in_parallel(options);
  }
  ThinkOptions options = procedure.think;
  options.keep_trace = keep_trace;
  return session.think(options);
}

Solution solve(const std::shared_ptr<const Transformer>& model, const Procedure& procedure, const TokenRows& prompts,
               const SolveOptions& options) {
  const int64_t capacity = capacity_needed(*model, procedure, prompts, options);
  const TokenRows rows = with_suffix(procedure, prompts);
  require_strategy(options.strategy, model->config(), procedure);
  if (!options.strategy.by_rows()) {
    require(rows.size() == 1, "solve", "expected one prompt at a time for '", to_text(options.strategy), "' but got ",
            rows.size());
    return solve_one(model, procedure, rows[0], options.ids.empty() ? 0 : options.ids.at(0), capacity, options);
  }
  const Procedure drawn = drawing(procedure, options);
  Solution solution;
  Stopwatch watch;
  Session session = begin_answers(model, drawn, rows, capacity, options, solution, watch);
  solution.answers = decode(session, decode_options(procedure, options));
  solution.ms.answer = watch.lap(session);
  solution.mean_exits = mean_exits(session, procedure);
  return solution;
}

}  // namespace tacit
