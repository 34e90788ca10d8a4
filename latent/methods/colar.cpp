#include "latent/methods/colar_head.h"
#include "latent/methods/colar_loss.h"
#include "latent/methods/methods.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// A latent drawn from the head's Gaussian, or, with a spread of 0, its mean.
Feedback latent_feedback(MethodWeights head, double spread, double embedding_std, uint64_t seed) {
  return {"gaussian", [=](const StepState& state) {
            const Gaussian gaussian = gaussian_head(head, state.hidden_BD());
            at::Tensor latent_BD = gaussian.mean;
            if (spread > 0) {
              at::Tensor noise_BD = at::zeros(latent_BD.sizes(), at::kFloat);
              float* noise = noise_BD.mutable_data_ptr<float>();
              const int64_t D = latent_BD.size(1);
              for (int64_t b = 0; b < state.rows(); ++b) {
                Rng rng = state.rng(b, seed);
                for (int64_t d = 0; d < D; ++d) noise[b * D + d] = static_cast<float>(rng.normal());
              }
              latent_BD = latent_BD + spread * gaussian.log_sigma.exp() * noise_BD.to(latent_BD.device());
            }
            return NextInput{(latent_BD * embedding_std).to(state.model().dtype()), {}};
          }};
}

// Stops a row whose likeliest token is the marker, but not before its first thought.
Halt marker_halt(int64_t marker) {
  return {"marker", [marker](const StepState& state, const NextInput&) {
            const std::vector<int64_t> tokens = likeliest_tokens(state.logits_BV(), "think");
            std::vector<char> stop(state.rows());
            for (int64_t b = 0; b < state.rows(); ++b) stop[b] = state.notes(b).thoughts > 0 && tokens[b] == marker;
            return stop;
          }};
}

Procedure colar_procedure(const MethodContext& context) {
  require(context.weights.contains("log_sigma.weight"), "colar",
          "expected a checkpoint of method colar: its latent head is in method.safetensors");
  MethodWeights head;
  for (const auto& [name, weight] : context.weights) head[name] = weight.detach();
  Procedure out = colar_format(context, context.option("compression").get<int64_t>());
  out.think.feedback =
      latent_feedback(std::move(head), context.option("spread").get<double>(),
                      context.option("embedding_std").get<double>(), context.option("seed").get<uint64_t>());
  if (!out.answer_marker.empty()) out.think.halt = marker_halt(out.answer_marker[0]);
  return out;
}

void check_colar_options(const Json& options, const std::string& source) {
  const JsonReader in(options, "read_config", source);
  const auto stage = options.at("stage").get<std::string>(), latent = options.at("latent_loss").get<std::string>();
  if (stage != "supervised" && stage != "reinforced") in.reject("stage", "to be supervised or reinforced");
  if (latent != "nll" && latent != "mse") in.reject("latent_loss", "to be nll or mse");
  for (const char* name : {"compression", "max_compression"}) {
    if (number_option(options, name) < 1 || number_option(options, name) > 1024) in.reject(name, "to lie in 1..1024");
  }
  for (const char* name : {"token_weight", "latent_weight", "spread", "seed", "head_width"}) {
    if (!(number_option(options, name) >= 0)) in.reject(name, "to be at least 0");
  }
  for (const char* name : {"embedding_std", "temperature", "clip"}) {
    if (!(number_option(options, name) > 0)) in.reject(name, "to be above 0");
  }
  if (stage == "reinforced" && number_option(options, "spread") == 0)
    in.reject("spread", "to be above 0 in stage reinforced");
  if (number_option(options, "group") < 2) in.reject("group", "to be at least 2");
}

}  // namespace

Method colar_method() {
  Method m;
  m.name = "colar";
  m.summary = "draws compressed embeddings of its chain of thought from a Gaussian head";
  m.reference = "arXiv:2505.16552";
  m.options = {{"stage", "supervised"},
               {"compression", 2},
               {"max_compression", 5},
               {"latent_loss", "nll"},
               {"token_weight", 1.0},
               {"latent_weight", 1.0},
               {"embedding_std", 1.0},
               {"head_width", 0},
               {"spread", 1.0},
               {"seed", 0},
               {"group", 8},
               {"temperature", 1.0},
               {"clip", 0.2}};
  m.check_options = check_colar_options;
  m.procedure = colar_procedure;
  m.row = cot_method().row;
  m.weights = [](const ModelConfig& config, const ObjectiveContext& context, uint64_t seed) {
    const auto width = context.settings.options.at("head_width").get<int64_t>();
    return gaussian_head_weights(config.hidden_size, width > 0 ? width : config.hidden_size, seed);
  };
  m.loss = [](const LossContext& in) {
    return in.context.settings.options.at("stage") == "supervised" ? colar_supervised_loss(in) : colar_policy_loss(in);
  };
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
