#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/core/rng.h"
#include "lib/model/fused_model.h"
#include "lib/model/transformer.h"

namespace tacit {

enum class HiddenAt { after_norm, before_norm };

// What rules keep about one row from one thought to the next, under names of their own. Forgotten when the row is fed
// tokens.
struct RowNotes {
  int64_t thoughts = 0;  // consumed since then
  std::map<std::string, double> numbers;
  std::map<std::string, at::Tensor> vectors;

  double number(const std::string& name, double otherwise) const {
    const auto found = numbers.find(name);
    return found == numbers.end() ? otherwise : found->second;
  }
};

// The rows of a StepState.
struct StepRows {
  at::Tensor hidden_BD;               // before the final norm
  std::vector<int64_t> ids;           // by row: a number that random draws depend on; empty = 0, 1, ..
  std::vector<RowNotes*> notes;       // by row; empty = none are kept
  std::vector<at::Tensor> layers_BD;  // by block that ran: the residual stream behind it; empty = not recorded
  std::vector<int64_t> lengths;       // by row: tokens and thoughts consumed; empty = not known
};

// The random numbers of a row's next thought, by the row's id and the thoughts that it has consumed. `use` tells apart
// the uses of one seed.
Rng thought_rng(uint64_t seed, int64_t id, int64_t thoughts, uint32_t use = 0);

// What a feedback or a halting rule may look at: the state of every row before its next thought.
class StepState {
 public:
  // `fused`: what takes norm and logits, where the rows run on it; null = the model itself.
  StepState(const Transformer& model, StepRows rows, int64_t step, std::shared_ptr<const FusedModel> fused = nullptr)
      : model_(&model), fused_(std::move(fused)), rows_(std::move(rows)), step_(step) {}

  const Transformer& model() const { return *model_; }
  int64_t step() const { return step_; }  // thoughts consumed so far in this call of think()
  int64_t rows() const { return rows_.hidden_BD.size(0); }
  const at::Tensor& hidden_BD(HiddenAt at = HiddenAt::after_norm) const;
  const at::Tensor& logits_BV() const;  // computed when first asked for: a thought needs no vocabulary
  // Behind block `layer`, from 0 in the order in which blocks ran, before any norm. Fails where the session records
  // none (SessionOptions::keep_layers).
  const at::Tensor& layer_BD(int64_t layer) const;

  // By row, 0 to rows() - 1; they fail on another.
  int64_t id(int64_t row) const;
  int64_t length(int64_t row) const;  // tokens and thoughts consumed; fails where it is not known
  // Fails where none are kept.
  RowNotes& notes(int64_t row) const;
  // thought_rng() of this row: the same whatever rows stand beside it and however thinking is cut into calls.
  Rng rng(int64_t row, uint64_t seed, uint32_t use = 0) const;

 private:
  void require_row(int64_t row) const;

  const Transformer* model_;
  std::shared_ptr<const FusedModel> fused_;
  StepRows rows_;
  int64_t step_;
  mutable at::Tensor normed_BD_, logits_BV_;
};

// A feedback's proposal for the next input.
struct NextInput {
  at::Tensor input_BD;
  // One a row if the input is a token's embedding, or is read as one; else empty, at every thought of a call.
  std::vector<int64_t> tokens = {};
};

// Hidden state -> next input. A value: a name and a function of the state.
struct Feedback {
  std::string name;
  std::function<NextInput(const StepState&)> next;
  bool reads_layers = false;  // needs SessionOptions::keep_layers
};

// The most likely token of every row, the lowest id among equals. Fails with `operation` when its logit is not finite:
// broken weights must not pass for an answer.
std::vector<int64_t> likeliest_tokens(const at::Tensor& logits_BV, std::string_view operation);

namespace feedback {

// The last hidden state itself [Coconut, arXiv:2412.06769, section 3: h_{t-1} replaces the embedding]. HF GPT-2's "last
// hidden state", which the original feeds back, stands after the final norm.
Feedback hidden(HiddenAt at = HiddenAt::after_norm);
// Where, of a feedback whose `next` is hidden()'s; nothing of any other. Its type tells.
std::optional<HiddenAt> hidden_at(const Feedback& feedback);

// The embedding of the most likely token, the lowest id among equals: token chain of thought, greedy.
Feedback embed_argmax();

// The embedding of one fixed token, whatever the state [pause tokens, arXiv:2310.02226].
Feedback token(int64_t id);

// The residual stream behind block `layer` (from 0), through the final norm or as it is.
Feedback layer(int64_t layer, HiddenAt at = HiddenAt::after_norm);

}  // namespace feedback

}  // namespace tacit
