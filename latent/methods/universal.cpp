#include <cmath>

#include "latent/depth_loss.h"
#include "latent/methods/methods.h"
#include "lib/core/error.h"
#include "lib/model/family.h"

namespace tacit {
namespace {

constexpr int64_t kUsualRecurrences = 4;

Json looped(Json base, int64_t recurrences) {
  base["base_model_type"] = base.at("model_type");
  base["model_type"] = "universal";
  base["recurrences"] = recurrences;
  return base;
}

// A plain decoder goes on as one whose stack runs again: the weights are the same.
Json restarted_universal(Json own, const Json& options) {
  if (own.at("model_type") != "universal")
    return looped(std::move(own), answering_recurrences(options, kUsualRecurrences));
  own["recurrences"] = answering_recurrences(options, own.at("recurrences").get<int64_t>());
  return own;
}

void check_universal_model(const ModelConfig& model) {
  require(model.depth.recurrent && !model.bidirectional, "universal",
          "expected a model whose blocks run again from left to right but got one of ", model.family);
}

LatentLoss universal_loss(const LossContext& c) {
  check_universal_model(c.model.config());
  return recurrent_answer_loss(c, c.context.settings.options.at("random").get<bool>());
}

}  // namespace

// The stack of a decoder, run again with the same weights on what it gave [Universal Transformers, arXiv:1807.03819;
// looped transformers, arXiv:2311.12424]. The answer is trained after the last run.
Method universal_method() {
  Method m;
  m.name = "universal";
  m.summary = "thinks in depth: the whole stack runs again on what it gave; the answer is trained after the last run";
  m.reference = "arXiv:1807.03819";
  m.options = {{"mean_recurrences", 0.0}, {"random", false}, {"deviation", 0.5}, {"backprop", 0}, {"exit_kl", 0.0}};
  m.check_options = [](const Json& options, const std::string& source) {
    at_least(options, "mean_recurrences", 0, source);
    at_least(options, "deviation", 0, source);
    at_least(options, "backprop", 0, source);
    at_least(options, "exit_kl", 0, source);
  };
  m.check_model = check_universal_model;
  m.procedure = depth_procedure;
  m.row = direct_row;
  m.loss = universal_loss;
  m.model = [](Json usual, const Json& options) {
    return looped(std::move(usual), answering_recurrences(options, kUsualRecurrences));
  };
  m.restart = restarted_universal;
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
