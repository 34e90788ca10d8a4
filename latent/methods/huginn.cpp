#include <cmath>

#include "latent/depth_loss.h"
#include "latent/methods/methods.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// A small Huginn of the usual width: a block before the core, two that run again, one after.
Json huginn_model(Json usual, const Json& options) {
  return {{"model_type", "huginn_raven"},
          {"vocab_size", usual.at("vocab_size")},
          {"n_embd", usual.at("hidden_size")},
          {"n_heads", usual.at("num_attention_heads")},
          {"intermediate_size", usual.at("intermediate_size")},
          {"block_size", usual.at("max_position_embeddings")},
          {"n_layers_in_prelude", 1},
          {"n_layers_in_recurrent_block", 2},
          {"n_layers_in_coda", 1},
          {"mean_recurrence", answering_recurrences(options, 4)}};
}

// A checkpoint goes on with the recurrences that it is trained at.
Json restarted_huginn(Json own, const Json& options) {
  const int64_t before = own.value("mean_recurrence", int64_t{1});
  own["mean_recurrence"] = answering_recurrences(options, before);
  return own;
}

void check_huginn_model(const ModelConfig& model) {
  require(model.depth.injected, "huginn", "expected a model of family huginn_raven but got one of ", model.family);
}

LatentLoss huginn_loss(const LossContext& c) {
  check_huginn_model(c.model.config());
  return recurrent_answer_loss(c, /*random=*/true);
}

}  // namespace

// Recurrent depth [Huginn, arXiv:2502.05171]: a core of blocks runs a random number of times on a latent state, beside
// which it reads the prelude's output each time; backpropagation is cut to the last runs.
Method huginn_method() {
  Method m;
  m.name = "huginn";
  m.summary = "thinks in depth: a core of blocks runs again on a latent state; trained at random depths";
  m.reference = "arXiv:2502.05171";
  m.options = {{"mean_recurrences", 0.0}, {"deviation", 0.5}, {"backprop", 8}, {"exit_kl", 0.0}};
  m.check_options = [](const Json& options, const std::string& source) {
    at_least(options, "mean_recurrences", 0, source);
    at_least(options, "deviation", 0, source);
    at_least(options, "backprop", 0, source);
    at_least(options, "exit_kl", 0, source);
  };
  m.check_model = check_huginn_model;
  m.procedure = depth_procedure;
  m.row = direct_row;
  m.loss = huginn_loss;
  m.model = huginn_model;
  m.restart = restarted_huginn;
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
