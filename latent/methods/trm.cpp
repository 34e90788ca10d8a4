#include "latent/depth_loss.h"
#include "latent/methods/methods.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

Json trm_model(Json usual, const Json&) {
  return {{"model_type", "trm"},
          {"vocab_size", usual.at("vocab_size")},
          {"hidden_size", usual.at("hidden_size")},
          {"num_heads", usual.at("num_attention_heads")},
          {"expansion", 2},
          {"H_cycles", 2},
          {"L_cycles", 2},
          {"L_layers", 2},
          {"seq_len", usual.at("max_position_embeddings")},
          {"pos_encodings", "rope"},
          {"halt_max_steps", 4}};
}

// The grid is the question and the answer marker, at whose place the answer is read.
TrainingRow trm_row(const Example& example, const ObjectiveContext& context) {
  TrainingRow row{.prompt = context.tokenizer.encode(example.question)};
  append(row, marker_ids(context.settings.markers.answer, context), false);
  const std::vector<int64_t> answer = context.tokenizer.encode(example.answer);
  require(answer.size() == 1, "trm", "expected an answer of one token, as a grid gives one, but got ", answer.size(),
          " for '", example.answer, "'");
  append(row, answer, true);
  return row;
}

// Rows that may not leave before a step of their own: a share of them, 2 .. steps drawn evenly.
std::vector<int64_t> least_steps(int64_t rows, int64_t steps, double share, uint64_t seed) {
  Rng rng(seed, /*stream=*/0, /*substream=*/kDepthSubstream);
  std::vector<int64_t> out(rows, 0);
  for (int64_t& least : out) {
    const bool explores = rng.uniform() < share;
    const int64_t drawn = steps > 1 ? rng.between(2, steps) : 1;
    if (explores) least = drawn;
  }
  return out;
}

void check_trm_model(const ModelConfig& model) {
  require(model.nested.high_cycles > 0, "trm", "expected a model of family trm but got one of ", model.family);
}

LatentLoss trm_loss(const LossContext& c) {
  check_trm_model(c.model.config());
  const Json& options = c.context.settings.options;
  const double halt_weight = options.at("halt_weight");
  const bool halts = c.training && options.at("halt").get<bool>();
  const int64_t B = std::ssize(c.rows);
  const DepthPass pass = pass_in_depth(c.model, c.rows);
  const int64_t steps = std::ssize(pass.trace.hidden_BTD);
  const at::Tensor least_B =
      at::tensor(least_steps(B, steps, halts ? options.at("exploration").get<double>() : 0, c.context.seed), at::kLong)
          .to(c.model.device());
  at::Tensor active_B = at::ones({B}, at::TensorOptions(at::kFloat).device(c.model.device()));
  at::Tensor token_sum, halt_sum, count;
  LatentLoss out;
  for (int64_t step = 0; step < steps; ++step) {
    const at::Tensor logits_NV = trained_logits(c.model, pass, pass.trace.hidden_BTD[step]);
    const at::Tensor right_N = (logits_NV.argmax(-1) == pass.label_N).to(at::kFloat);
    const at::Tensor token_B = at::zeros_like(active_B).index_add(0, pass.row_N, cross_entropies(logits_NV, pass));
    const at::Tensor gate_B = pass.trace.gate[step].to(at::kFloat);
    // One token a row: it is all of the answer.
    const at::Tensor solved_B = at::zeros_like(active_B).index_add(0, pass.row_N, right_N);
    const at::Tensor halt_B = at::binary_cross_entropy_with_logits(gate_B, solved_B, {}, {}, at::Reduction::None);
    const auto add = [](at::Tensor& sum, const at::Tensor& x) { sum = sum.defined() ? sum + x : x; };
    add(token_sum, (active_B * token_B).sum());
    add(halt_sum, (active_B * halt_B).sum());
    add(count, active_B.sum());
    if (halts) active_B = active_B * at::logical_or(gate_B.detach() <= 0, least_B > step + 1).to(at::kFloat);
    out.accuracy = right_N.mean().item<double>();
  }
  const at::Tensor tokens = token_sum / count, halt = halt_sum / count;
  out.total = tokens + halt_weight * halt;
  out.tokens = tokens.item<double>();
  out.positions = pass.positions;
  out.figures = {{"halt_loss", halt.item<double>()}, {"mean_steps", (count / B).item<double>()}};
  return out;
}

}  // namespace

// Tiny recursive model [TRM, arXiv:2510.04871]: two states refined in nested loops over the question, which is read at
// once; deep supervision of every step, gradient in the last cycle of each.
Method trm_method() {
  Method m;
  m.name = "trm";
  m.summary = "thinks in depth over a grid read at once: nested loops on two states, supervised step by step";
  m.reference = "arXiv:2510.04871";
  m.options = {{"halt_weight", 0.5}, {"halt", true}, {"exploration", 0.1}};
  m.check_options = [](const Json& options, const std::string& source) {
    at_least(options, "halt_weight", 0, source);
    at_least(options, "exploration", 0, source);
    require(options.at("exploration").get<double>() <= 1, "read_config",
            "expected 'exploration' to lie in 0..1 but got ", options.at("exploration").dump(), " in ", source);
  };
  m.check_model = check_trm_model;
  m.procedure = [](const MethodContext& context) {
    Procedure out = plain_procedure(context);
    out.prompt_suffix = std::move(out.answer_marker);
    out.answer_marker.clear();
    out.stop_tokens = {};
    out.max_answer_tokens = 1;
    return out;
  };
  m.row = trm_row;
  m.loss = trm_loss;
  m.model = trm_model;
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
