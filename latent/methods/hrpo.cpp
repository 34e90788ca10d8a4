#include <ATen/core/grad_mode.h>

#include "latent/methods/hrpo_gate.h"
#include "latent/methods/methods.h"
#include "latent/token_mixture.h"
#include "latent/unroll.h"
#include "lib/core/error.h"
#include "lib/model/checkpoint.h"

namespace tacit {
namespace {

// Words, each fed mixed with the distribution that it came from.
Feedback hybrid_feedback(MethodWeights gate, double residual_temperature, double temperature, uint64_t seed) {
  return {"hybrid", [=](const StepState& state) {
            const Transformer& model = state.model();
            std::vector<int64_t> tokens;
            if (temperature == 0) {
              tokens = likeliest_tokens(state.logits_BV(), "think");
            } else {
              std::vector<Rng> rngs;
              for (int64_t b = 0; b < state.rows(); ++b) rngs.push_back(state.rng(b, seed));
              const std::vector<char> all(state.rows(), 1);
              for (const TokenDraw& draw : draw_tokens(state.logits_BV(), temperature, rngs, all))
                tokens.push_back(draw.token);
            }
            const at::Tensor e_BD = model.embed(at::tensor(tokens, at::kLong).to(model.device()));
            const at::Tensor residual_BD = hrpo_residual(model, state.logits_BV(), residual_temperature);
            return NextInput{hrpo_input(gate, e_BD, residual_BD).to(model.dtype()), std::move(tokens)};
          }};
}

Procedure hrpo_procedure(const MethodContext& context) {
  require(context.weights.contains("lambda"), "hrpo",
          "expected a checkpoint of method hrpo: its gate is in method.safetensors");
  MethodWeights gate;
  for (const auto& [name, weight] : context.weights) gate[name] = weight.detach();
  Procedure out = words_procedure(context);
  out.think.feedback =
      hybrid_feedback(std::move(gate), context.option("temperature").get<double>(),
                      context.option("think_temperature").get<double>(), context.option("seed").get<uint64_t>());
  return out;
}

LatentLoss loss(const LossContext& in) {
  const Json& options = in.context.settings.options;
  const Procedure procedure = words_procedure({in.context.settings, &in.context.tokenizer, in.context.latents});
  const TokenRows prompts = prompts_of(in.rows), expected = answers_of(in.examples, in.context.tokenizer);
  HrpoRolloutOptions rollout{.group = options.at("group").get<int64_t>(),
                             .temperature = number_option(options, "temperature"),
                             .residual_temperature = number_option(options, "temperature"),
                             .seed = in.context.seed};
  if (!in.training) {
    // The likeliest chain of every problem; the loss is that of the reference chains, read as plain tokens.
    rollout.group = 1;
    rollout.temperature = 0;
    LatentLoss out = latent_loss_of(text_loss(in.model, in.rows), in.rows);
    out.figures = {{"reward", mean_reward(hrpo_rollouts(in.model, in.weights, procedure, prompts, expected, rollout))}};
    return out;
  }
  const auto rollouts = hrpo_rollouts(in.model, in.weights, procedure, prompts, expected, rollout);
  HrpoLossOptions how{
      .temperature = rollout.temperature, .clip = number_option(options, "clip"), .kl = number_option(options, "kl")};
  const auto reference = options.at("reference").get<std::string>();
  const std::shared_ptr<const Transformer> model =
      reference.empty() ? nullptr : load_model(reference, {.device = in.model.device()});
  how.reference = model.get();
  return hrpo_loss(in.model, in.weights, rollouts, group_advantages(rewards_of(rollouts), rollout.group), how);
}

void check_hrpo_options(const Json& options, const std::string& source) {
  const JsonReader in(options, "read_config", source);
  if (!(number_option(options, "temperature") >= kLeastTemperature)) in.reject("temperature", "to be at least 1e-6");
  if (!is_temperature(number_option(options, "think_temperature")))
    in.reject("think_temperature", "to be 0 or at least 1e-6");
  if (options.at("group").get<int64_t>() < 2) in.reject("group", "to be at least 2");
  if (!(number_option(options, "clip") > 0)) in.reject("clip", "to be above 0");
  if (!(number_option(options, "kl") >= 0)) in.reject("kl", "to be at least 0");
  if (number_option(options, "kl") > 0 && options.at("reference").get<std::string>().empty()) {
    in.reject("reference", "to name a checkpoint where kl is above 0");
  }
  const double low = number_option(options, "gate_min"), high = number_option(options, "gate_max");
  if (!(low > 0 && low <= high)) in.reject("gate_min", "to be above 0 and at most gate_max");
  if (!(high < 1)) in.reject("gate_max", "to be below 1");
  if (options.at("seed").get<int64_t>() < 0) in.reject("seed", "to be at least 0");
}

}  // namespace

Method hrpo_method() {
  Method m;
  m.name = "hrpo";
  m.summary = "words, each fed mixed with the distribution it came from; trained by reward from a checkpoint of cot";
  m.reference = "arXiv:2505.18454";
  m.options = {{"temperature", 1.0}, {"think_temperature", 0.0}, {"seed", 0},        {"group", 8},       {"clip", 0.2},
               {"kl", 0.0},          {"reference", ""},          {"gate_min", 0.99}, {"gate_max", 0.999}};
  m.check_options = check_hrpo_options;
  m.procedure = hrpo_procedure;
  m.row = cot_method().row;
  m.weights = [](const ModelConfig& config, const ObjectiveContext& context, uint64_t seed) {
    const Json& options = context.settings.options;
    return hrpo_gate_weights(config.hidden_size, number_option(options, "gate_min"), number_option(options, "gate_max"),
                             seed);
  };
  m.loss = loss;
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
