#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "latent/feedback.h"
#include "latent/halt.h"

namespace tacit {

struct ThinkOptions {
  int64_t max_steps = 6;                   // upper bound on thoughts a row; 0 feeds nothing back
  Feedback feedback = feedback::hidden();  // hidden state -> next input [Coconut, arXiv:2412.06769]
  Halt halt = halt::never();               // asked before each thought is consumed, per row
  bool keep_trace = false;                 // store every vector fed back
};

// What thinking did.
struct Thoughts {
  std::vector<int64_t> steps;                // thoughts consumed, by row
  std::vector<std::vector<int64_t>> tokens;  // by row: the tokens fed back; empty lists if the feedback commits to none
  std::vector<char> halted;                  // by row: 1 = the halting rule stopped it, 0 = max_steps did
  at::Tensor trace_BKD;  // with keep_trace: vectors in the order fed back, zero past a row's steps; model dtype
};

// What a feedback proposes, in the model's dtype, and whom a halting rule stops, by row. Both fail where the rule does
// not answer for every row: not a vector [rows, D] on the model's device, neither a token of the vocabulary a row nor
// none, not a flag a row. A rule made of others asks them through these.
NextInput proposed(const Feedback& feedback, const StepState& state);
std::vector<char> stopped(const Halt& halt, const StepState& state, const NextInput& proposal);

struct NextStep {
  NextInput input;
  std::vector<char> stop;  // before consuming it
};
// Fails, too, where a vector to be consumed is not finite, naming row and thought (on a GPU where `halt` looks at the
// rows). `active`, by row: 0 = has stopped before; empty = none has.
NextStep next_step(const StepState& state, const Feedback& feedback, const Halt& halt,
                   std::span<const int64_t> active = {});

// Fails where a row whose `thoughts` so far came with `tokens` of them is to consume one with a token and they had
// none, or the other way round: tokens would stand beside other thoughts.
void require_all_or_none(const Feedback& feedback, int64_t tokens, int64_t thoughts, const NextInput& proposal);

// The same of vectors in place of embeddings [rows, positions, D]. Fails with `operation`.  -> in the model's dtype
at::Tensor require_inputs(const at::Tensor& x_BTD, const Transformer& model, int64_t rows, int64_t positions,
                          std::string_view operation);

// The loop itself, whoever holds the rows.
struct ThinkingRows {
  const Transformer& model;
  std::shared_ptr<const FusedModel> fused;  // what the rows run on; null = the model itself
  std::vector<int64_t> ids;                 // StepRows::ids
  std::vector<RowNotes>& notes;             // by row
  std::function<StepRows()> where;          // hidden states and, where recorded, layers: where the rows stand
  // Feeds input [B, D] to the rows whose `active` is 1; the others stay.
  std::function<void(const at::Tensor& input_BD, const std::vector<int64_t>& active)> consume;
};
Thoughts think_loop(const ThinkingRows& rows, const ThinkOptions& options);

inline constexpr int64_t kMostRecurrences = 1024;  // each has a place of its own in the memory

// Fails where a number of recurrences is asked of a model that has none, or more than kMostRecurrences.
void require_recurrences(const ModelConfig& config, int64_t recurrences, std::string_view operation);
// Fails where an exit is asked of a model that has none: of its gate, or in depth at all.
void require_exit(const ModelConfig& config, const DepthExit& exit, std::string_view operation);

}  // namespace tacit
