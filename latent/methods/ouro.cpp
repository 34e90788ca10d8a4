#include "latent/depth_loss.h"
#include "latent/methods/methods.h"
#include "lib/core/error.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// Ouro of the usual width: its blocks are Llama's with a second norm around each part.
Json ouro_model(Json usual, const Json&) {
  Json out = {{"model_type", "ouro"}, {"total_ut_steps", 4}};
  for (const char* field :
       {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "rope_theta", "tie_word_embeddings"})
    out[field] = usual.at(field);
  return out;
}

struct Recurrences {
  at::Tensor loss_NR;   // cross entropy of each trained token after each recurrence
  at::Tensor exit_NR;   // probability of leaving there
  double accuracy = 0;  // after the last
};

Recurrences read_out(const Transformer& model, const DepthPass& pass) {
  std::vector<at::Tensor> losses;
  at::Tensor logits_NV;
  for (const at::Tensor& hidden_BTD : pass.trace.hidden_BTD) {
    logits_NV = trained_logits(model, pass, hidden_BTD);
    losses.push_back(cross_entropies(logits_NV, pass));
  }
  return {at::stack(losses, 1), pass.trained(exit_probabilities(pass.trace)),
          (logits_NV.argmax(-1) == pass.label_N).to(at::kFloat).mean().item<double>()};
}

// Stage I: the expected loss over exits, less beta times their entropy, which is, up to a constant, beta times the
// divergence from uniform exits [arXiv:2510.25741, section 3.3].
at::Tensor expected_loss(const Recurrences& r, double beta, double& entropy) {
  const at::Tensor entropy_N = -(r.exit_NR * r.exit_NR.clamp_min(1e-12).log()).sum(1);
  entropy = entropy_N.mean().item<double>();
  return ((r.exit_NR * r.loss_NR).sum(1) - beta * entropy_N).mean();
}

// Stage II: the gate alone learns to go on as long as that helps [section 3.4]. After recurrence t = 2 .. R it should
// let go on with probability w_t = logistic(k (I_t - gamma)), I_t = max(0, loss_{t-1} - loss_t); binary cross entropy,
// summed over t, over R.
at::Tensor gate_loss(const Transformer& model, const DepthPass& pass, const Recurrences& r, double sharpness,
                     double least_gain) {
  const at::Tensor loss_NR = r.loss_NR.detach();
  const int64_t R = loss_NR.size(1);
  at::Tensor sum = at::zeros({}, loss_NR.options());
  for (int64_t t = 1; t < R; ++t) {
    const at::Tensor gain_N = (loss_NR.select(1, t - 1) - loss_NR.select(1, t)).clamp_min(0);
    const at::Tensor goes_on_N = (sharpness * (gain_N - least_gain)).sigmoid();
    const at::Tensor normed_ND = model.final_norm(pass.trained(pass.trace.hidden_BTD[t])).detach();
    const at::Tensor gate_N =
        at::linear(normed_ND, model.weights().at("exit_gate.weight"), model.weights().at("exit_gate.bias"))
            .squeeze(-1)
            .to(at::kFloat);
    sum = sum + at::binary_cross_entropy_with_logits(gate_N, 1 - goes_on_N);
  }
  return sum / R;
}

void check_ouro_model(const ModelConfig& model) {
  require(model.depth.exit_gate && !model.bidirectional, "ouro",
          "expected a model of family ouro, which has an exit gate at every position, but got one of ", model.family);
}

LatentLoss ouro_loss(const LossContext& c) {
  check_ouro_model(c.model.config());
  const Json& options = c.context.settings.options;
  // Every recurrence is looked at: nobody leaves.
  const DepthPass pass = pass_in_depth(c.model, c.rows, {.exit = {.threshold = 1}});
  const Recurrences r = read_out(c.model, pass);
  double entropy = 0;
  LatentLoss out;
  out.total = expected_loss(r, options.at("beta"), entropy);
  if (options.at("stage") == 2) {
    out.total = gate_loss(c.model, pass, r, options.at("sharpness"), options.at("least_gain"));
    out.figures.emplace_back("gate_loss", out.total.item<double>());
  }
  const at::Tensor number_R = at::arange(1, r.exit_NR.size(1) + 1, r.exit_NR.options());
  out.tokens = (r.exit_NR * r.loss_NR).sum(1).mean().item<double>();
  out.accuracy = r.accuracy;
  out.positions = pass.positions;
  out.figures.emplace_back("last_token_loss", r.loss_NR.select(1, -1).mean().item<double>());
  out.figures.emplace_back("exit_entropy", entropy);
  out.figures.emplace_back("mean_exit", (r.exit_NR * number_R).sum(1).mean().item<double>());
  return out;
}

}  // namespace

// Looped language model [Ouro, arXiv:2510.25741]: the stack runs again, and a gate says after each run whether to
// leave.
Method ouro_method() {
  Method m;
  m.name = "ouro";
  m.summary = "thinks in depth: the stack runs again, a learned gate says when to leave; expected loss over exits";
  m.reference = "arXiv:2510.25741";
  m.options = {{"beta", 0.1},   {"stage", 1}, {"sharpness", 50.0}, {"least_gain", 0.005}, {"exit_threshold", -1.0},
               {"exit_kl", 0.0}};
  m.check_options = [](const Json& options, const std::string& source) {
    at_least(options, "beta", 0, source);
    at_least(options, "sharpness", 0, source);
    at_least(options, "least_gain", 0, source);
    at_least(options, "exit_kl", 0, source);
    require(options.at("stage") == 1 || options.at("stage") == 2, "read_config",
            "expected 'stage' to be 1 or 2 but got ", options.at("stage").dump(), " in ", source);
    require(options.at("exit_threshold").get<double>() <= 1, "read_config",
            "expected 'exit_threshold' to be at most 1, below 0 for the checkpoint's own, but got ",
            options.at("exit_threshold").dump(), " in ", source);
  };
  m.check_model = check_ouro_model;
  m.procedure = [](const MethodContext& context) {
    Procedure out = depth_procedure(context);
    out.exit.threshold = context.option("exit_threshold");
    return out;
  };
  m.row = direct_row;
  m.loss = ouro_loss;
  m.model = ouro_model;
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
