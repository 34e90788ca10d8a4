#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/model/fused_model.h"
#include "lib/model/transformer.h"

namespace tacit {

enum class HiddenAt { after_norm, before_norm };

// What a feedback or a halting rule may look at: the state of every row before its next thought.
class StepState {
 public:
  // `fused`: what takes norm and logits, where the rows run on it; null = the model itself.
  StepState(const Transformer& model, at::Tensor hidden_BD, int64_t step,
            std::shared_ptr<const FusedModel> fused = nullptr)
      : model_(&model), fused_(std::move(fused)), hidden_BD_(std::move(hidden_BD)), step_(step) {}

  const Transformer& model() const { return *model_; }
  int64_t step() const { return step_; }  // thoughts consumed so far in this call of think()
  int64_t rows() const { return hidden_BD_.size(0); }
  const at::Tensor& hidden_BD(HiddenAt at = HiddenAt::after_norm) const;
  const at::Tensor& logits_BV() const;  // computed when first asked for: a thought needs no vocabulary

 private:
  const Transformer* model_;
  std::shared_ptr<const FusedModel> fused_;
  at::Tensor hidden_BD_;  // before the final norm
  int64_t step_;
  mutable at::Tensor normed_BD_, logits_BV_;
};

// A feedback's proposal for the next input.
struct NextInput {
  at::Tensor input_BD;
  std::vector<int64_t> tokens;  // one a row if the input is a token's embedding, else empty
};

// Hidden state -> next input. A value: a name and a function of the state.
struct Feedback {
  std::string name;
  std::function<NextInput(const StepState&)> next;
  std::optional<HiddenAt> hidden_at = {};  // set: `next` is the hidden state there and nothing else
};

// The most likely token of every row, the lowest id among equals. Fails with `operation` when its logit is not finite:
// broken weights must not pass for an answer.
std::vector<int64_t> likeliest_tokens(const at::Tensor& logits_BV, std::string_view operation);

namespace feedback {

// The last hidden state itself [Coconut, arXiv:2412.06769, section 3: h_{t-1} replaces the embedding]. HF GPT-2's "last
// hidden state", which the original feeds back, stands after the final norm.
Feedback hidden(HiddenAt at = HiddenAt::after_norm);

// The embedding of the most likely token, the lowest id among equals: token chain of thought, greedy.
Feedback embed_argmax();

// The embedding of one fixed token, whatever the state [pause tokens, arXiv:2310.02226].
Feedback token(int64_t id);

}  // namespace feedback

}  // namespace tacit
