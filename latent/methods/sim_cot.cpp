#include "latent/methods/sim_cot.h"

#include <cmath>

#include "latent/methods/distillation.h"
#include "latent/methods/methods.h"
#include "latent/thought_decoder.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

bool over_codi(const Json& options) { return options.at("base") == "codi"; }

LossOfThoughts base_loss(const LossContext& context) {
  const Json& options = context.context.settings.options;
  if (!over_codi(options)) return coconut_loss(context);
  const ThoughtHead head = read_head(options);
  return distilled_loss(context, [&](Unroll& student) {
    return think_on(student, context.rows[0].latents / head.vectors, head, context.weights);
  });
}

LatentLoss sim_cot_loss(const LossContext& context) {
  const Json& options = context.context.settings.options;
  const LossOfThoughts base = base_loss(context);
  const int64_t vectors = positions_a_step(options), count = base.thoughts_BND.size(1) / vectors;
  std::vector<at::Tensor> thoughts;
  std::vector<std::vector<int64_t>> steps;
  for (int64_t b = 0; b < std::ssize(context.examples); ++b) {
    const auto targets = step_targets(context.examples[b], context.context, count);
    for (int64_t k = 0; k < count; ++k) {
      if (targets[k].empty()) continue;
      thoughts.push_back(base.thoughts_BND[b].narrow(0, k * vectors, vectors));
      steps.push_back(targets[k]);
    }
  }
  LatentLoss out = base.loss;
  if (thoughts.empty()) return out;
  const auto decoder = thought_decoder(context.model.config(), context.weights);
  const at::Tensor loss = reconstruction_loss(*decoder, at::stack(thoughts), steps);
  out.total = out.total + options.at("decoder_weight").get<double>() * loss;
  out.figures.emplace_back("decoder_loss", loss.item<double>());
  return out;
}

void check_sim_cot_options(const Json& options, const std::string& source) {
  check_coconut_options(options, source);
  check_distillation_options(options, source);
  const JsonReader in(options, "read_config", source);
  const std::string base = in.string("base");
  if (base != "coconut" && base != "codi") in.reject("base", "to be coconut or codi");
  const double weight = in.number("decoder_weight");
  if (!(weight >= 0) || !std::isfinite(weight)) in.reject("decoder_weight", "to be at least 0");
}

}  // namespace

std::vector<std::vector<int64_t>> step_targets(const Example& example, const ObjectiveContext& context,
                                               int64_t thoughts) {
  const std::vector<int64_t> end = marker_ids(context.settings.markers.end, context);
  const int64_t steps = std::ssize(example.steps);
  std::vector<std::vector<int64_t>> out(thoughts);
  for (int64_t k = 0; k < std::min(thoughts, steps); ++k) {
    std::string words = example.steps[k];
    for (int64_t i = k + 1; k + 1 == context.latents && i < steps; ++i) words += " " + example.steps[i];
    out[k] = context.tokenizer.encode(words);
    out[k].insert(out[k].end(), end.begin(), end.end());
  }
  return out;
}

// Thoughts that can be read: beside Coconut's or CODI's loss, a decoder of its own must rebuild each step from its
// thought [SIM-CoT, arXiv:2509.20317]. Thinking does not need it.
Method sim_cot_method() {
  Method m;
  m.name = "sim-cot";
  m.summary = "coconut's or codi's thoughts, from which a second model rebuilds each written step in training";
  m.reference = "arXiv:2509.20317";
  m.counts_thoughts = true;
  m.options = coconut_options();
  m.options.update(distillation_options());
  m.options.update({{"base", "coconut"}, {"decoder_weight", 1.0}});
  m.check_options = check_sim_cot_options;
  m.weights = [](const ModelConfig& config, const ObjectiveContext& context, uint64_t seed) {
    MethodWeights out = head_weights(read_head(context.settings.options), config.hidden_size, seed);
    out.merge(decoder_weights(config, context.start, seed));
    return out;
  };
  m.procedure = headed_procedure;
  m.row = [](const Example& e, const ObjectiveContext& c) {
    const int64_t positions = positions_a_step(c.settings.options);
    return over_codi(c.settings.options) ? student_row(e, c, c.latents * positions) : curriculum_row(e, c, positions);
  };
  m.loss = sim_cot_loss;
  m.stages = [](int64_t latents) { return latents + 1; };
  return m;
}

}  // namespace tacit
