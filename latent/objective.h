#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "datasets/example.h"
#include "lib/model/transformer.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {

struct MethodSettings;

// What a method learns beside the model's weights: heads, projectors, decoders. By a name of its own, fp32.
using MethodWeights = std::map<std::string, at::Tensor>;

// One training sequence: prompt, then `latents` thoughts, then the rest in tokens.
struct TrainingRow {
  std::vector<int64_t> prompt;  // at least one token; carries no loss
  int64_t latents = 0;
  std::vector<int64_t> rest;       // tokens after the thoughts
  std::vector<char> rest_trained;  // by token of `rest`: 1 = its prediction is trained
  std::vector<std::vector<int64_t>>
      thought_targets;  // empty, or by thought: the tokens it should hold, empty = not trained
};

struct ObjectiveContext {
  const MethodSettings& settings;
  const Tokenizer& tokenizer;
  int64_t latents;    // of the finished method
  int64_t stage;      // of the curriculum, from 0
  uint64_t seed = 0;  // of the example's own random numbers, another one each time that it is trained on
  const Transformer* start = nullptr;  // what training starts from, for Method::weights; null elsewhere
};

// Where a loss comes from, averaged over the batch.
struct LatentLoss {
  at::Tensor total;              // scalar with gradient: tokens + thought_weight * thoughts
  double tokens = 0;             // cross entropy per trained token, nats
  double thoughts = 0;           // Kullback-Leibler divergence of a trained thought's readout from its target, nats
  int64_t trained_thoughts = 0;  // thoughts with a target
  double accuracy = 0;           // share of trained tokens predicted
  int64_t positions = 0;         // tokens and thoughts processed
  std::vector<std::pair<std::string, double>> figures;  // more of them, of a method's own loss, for metrics.jsonl
};

// Two ways to one loss and one gradient (latent/passes.h): the fast one is held equal to the plain, obvious one. The
// fast one cannot be differentiated twice.
enum class TrainingPath { fast, plain };

struct LatentLossOptions {
  double thought_weight = 1;
  // Whether a thought that is fed back carries gradient to the thoughts before it (backpropagation through time,
  // Coconut). Cut, every thought of its own is a constant input: the model thinks once without gradient, then one pass
  // over all thoughts and the rest trains each step on what the model itself had thought until then. For objectives
  // whose every thought has a target.
  bool through_thoughts = true;
  // Share of rows, drawn at random, that get ideal thoughts instead of their own: the sum of the targets' unembedding
  // rows, each weighted by exp(unevenness * N(0, 1)), plus noise, through the final norm. Uneven weights and noise
  // stand for what the model's own thoughts will get wrong. The rows get gradient, as a token's embedding would. Above
  // 0 it needs through_thoughts = false and a target for every thought.
  double teacher_forcing = 0;
  double unevenness = 0.5;  // 0 = equal weights
  double noise = 0.5;       // Gaussian in all D directions, relative to the sum's root mean square; 0 turns it off
  uint64_t noise_seed = 0;  // of rows, weights and noise
  TrainingPath path = TrainingPath::fast;
  // Runs every pass again in the backward pass instead of keeping what it computed: the memory for activations does not
  // grow with the number of thoughts, but for their vectors, keys and values; a third more arithmetic. Needs the fast
  // path.
  bool recompute = false;
};

// What a method's own loss is made from (Method::loss).
struct LossContext {
  const Transformer& model;              // with gradient
  const MethodWeights& weights;          // of the method's own, fp32 leaves
  const std::vector<TrainingRow>& rows;  // made by Method::row
  const std::vector<Example>& examples;  // rows[i] is of examples[i]
  const ObjectiveContext& context;       // context.seed: of this batch
  const LatentLossOptions& options;
  bool training = true;  // false: validation, which must not depend on the step
};

// Fails where latent_loss would for the rows' sake: thoughts that differ in number, more positions than the model has.
void check_rows(const Transformer& model, const std::vector<TrainingRow>& rows);

// The loss of a batch. With gradient through thoughts there is one pass for the prompts, one for each thought, one for
// the rest. All rows have the same number of thoughts. A thought is the
// hidden state after the final norm of the position before it [Coconut, arXiv:2412.06769]; its readout is the softmax
// of the model's logits there, and its target the uniform distribution over thought_targets.
LatentLoss latent_loss(const Transformer& model, const std::vector<TrainingRow>& rows,
                       const LatentLossOptions& options = {});

}  // namespace tacit
