#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "latent/objective.h"
#include "latent/session.h"
#include "lib/memory/training_memory.h"
#include "lib/model/transformer.h"

namespace tacit {

// A batch of sequences with gradient, fed piece by piece: the obvious path, which objectives of one's own are written
// with (docs/adding-a-method.md). A copy is a branch: it goes on by itself and shares what was fed before. Hidden
// states are those after the final norm.
class Unroll {
 public:
  // Runs the prompts, of any lengths >= 1. `model` must outlive it. With `keep_layers` what is fed leaves the residual
  // stream behind every block in layers(). `depth`: how a model that thinks in depth runs.
  Unroll(const Transformer& model, const TokenRows& prompts, bool keep_layers = false, const DepthRun& depth = {});

  // At every row's last position so far [B, D].
  const at::Tensor& last_BD() const { return last_BD_; }
  // Vectors in place of embeddings, for every row alike [B, T, D] -> [B, T, D].
  at::Tensor feed(const at::Tensor& x_BTD);
  // The rest of every row but its last token, which predicts nothing. Rows are padded on the right: whatever is
  // fed behind it fails.
  // -> before every token of the rest [B, width of the widest rest, D], meaningless behind a row's own end
  at::Tensor feed_rest(const std::vector<TrainingRow>& rows);
  // The same in parallel::'s form: K positions `iterations` times, the last time remembered. -> of the last time
  // [B, K, D]
  at::Tensor feed_in_parallel(const ParallelThinkOptions& options);

  // Of the last piece fed, by block, before any norm [B, T, D]; of prompts only the last position [B, 1, D].
  const std::vector<at::Tensor>& layers() const { return layers_; }
  const Transformer& model() const { return *model_; }

 private:
  at::Tensor run(const at::Tensor& x_BTD);

  const Transformer* model_;
  bool keep_layers_;
  DepthRun depth_;
  TrainingMemory memory_;
  at::Tensor last_BD_;
  std::vector<at::Tensor> layers_;
  int64_t columns_ = 0;
  bool ended_ = false;  // by feed_rest()
};

// The prompts of rows.
TokenRows prompts_of(const std::vector<TrainingRow>& rows);

// Cross entropy of the tokens of the rows' rest that are trained, mean over all of them.
struct TokenLoss {
  at::Tensor loss;  // scalar, nats; undefined where no token is trained
  double accuracy = 0;
  int64_t tokens = 0;
};
// before_BTD [B, width, D]: the hidden state after the final norm before every token of the rest.
TokenLoss token_loss(const Transformer& model, const at::Tensor& before_BTD, const std::vector<TrainingRow>& rows);

// Cross entropy of whole chains of thought and answers, without thoughts of any kind: rows of 0 latents.
TokenLoss text_loss(const Transformer& model, const std::vector<TrainingRow>& rows);

// A LatentLoss from the tokens' part; `positions` counts prompts, thoughts and rest.
LatentLoss latent_loss_of(const TokenLoss& tokens, const std::vector<TrainingRow>& rows);

}  // namespace tacit
