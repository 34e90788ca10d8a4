#include "latent/methods/lotus.h"

#include <cmath>

#include "latent/methods/coconut.h"
#include "latent/methods/methods.h"
#include "latent/unroll.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {
namespace {

int64_t width_of(const Json& options) { return options.at("width").get<int64_t>(); }

MethodWeights fresh_latents(const ModelConfig& config, const ObjectiveContext& context, uint64_t seed) {
  constexpr uint32_t latent_stream = 0x6c6f7475;  // "lotu"
  Rng rng(seed, 0, latent_stream);
  at::Tensor out = at::empty({context.latents, width_of(context.settings.options), config.hidden_size});
  float* values = out.mutable_data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i) values[i] = static_cast<float>(0.02 * rng.normal());  // as an embedding's
  return {{"latents", out}};
}

ParallelThinkOptions loops(const Json& options, int64_t blocks, const MethodWeights& weights) {
  const at::Tensor& latents_KCD = own_weight(weights, "latents");
  require(blocks <= latents_KCD.size(0) && width_of(options) == latents_KCD.size(1), "lotus", "expected at most ",
          latents_KCD.size(0), " blocks of ", latents_KCD.size(1), " latents, as trained, but got ", blocks, " of ",
          width_of(options));
  return {.name = "injected",
          .positions = blocks * width_of(options),
          .iterations = options.at("loops").get<int64_t>(),
          .inputs = parallel::injected(latents_KCD.narrow(0, 0, blocks).flatten(0, 1))};
}

// Cross entropy of what the latents say through the model's own head, mean over all targets.
TokenLoss step_loss(const Transformer& model, const at::Tensor& latents_BND, const LossContext& context) {
  const int64_t width = width_of(context.context.settings.options);
  std::vector<TrainingRow> said;  // by row, the latents' tokens
  for (const Example& example : context.examples) {
    TrainingRow row;
    for (std::vector<int64_t> block : block_targets(example, context.context, context.context.latents, width)) {
      append(row, block, true);
      append(row, std::vector<int64_t>(width - std::ssize(block), 0), false);
    }
    said.push_back(std::move(row));
  }
  return token_loss(model, latents_BND, said);
}

LatentLoss lotus_loss(const LossContext& context) {
  refuse_recompute(context);
  check_rows(context.model, context.rows);
  const Json& options = context.context.settings.options;
  Unroll unroll(context.model, prompts_of(context.rows));
  TokenLoss steps;
  if (context.context.latents > 0) {
    const at::Tensor latents_BND = unroll.feed_in_parallel(loops(options, context.context.latents, context.weights));
    steps = step_loss(context.model, latents_BND, context);
  }
  LatentLoss out =
      latent_loss_of(token_loss(context.model, unroll.feed_rest(context.rows), context.rows), context.rows);
  if (!steps.loss.defined()) return out;
  out.total = out.total + options.at("step_weight").get<double>() * steps.loss;
  out.figures = {{"step_loss", steps.loss.item<double>()}, {"step_accuracy", steps.accuracy}};
  return out;
}

void check_lotus_options(const Json& options, const std::string& source) {
  const JsonReader in(options, "read_config", source);
  in.integer_in("width", 1, 1 << 16);
  in.integer_in("loops", 1, 1 << 16);
  const double weight = in.number("step_weight");
  if (!(weight >= 0) || !std::isfinite(weight)) in.reject("step_weight", "to be at least 0");
}

}  // namespace

std::vector<std::vector<int64_t>> block_targets(const Example& example, const ObjectiveContext& context, int64_t blocks,
                                                int64_t width) {
  const std::vector<int64_t> end = marker_ids(context.settings.markers.end, context);
  std::vector<std::vector<int64_t>> out;
  for (int64_t k = 0; k < blocks; ++k) {
    std::string words;
    const int64_t last = k + 1 == blocks ? std::ssize(example.steps) : k + 1;
    for (int64_t i = k; i < std::min<int64_t>(last, std::ssize(example.steps)); ++i)
      words += (words.empty() ? "" : " ") + example.steps[i];
    std::vector<int64_t> tokens = words.empty() ? std::vector<int64_t>() : context.tokenizer.encode(words);
    tokens.insert(tokens.end(), end.begin(), end.end());
    if (std::ssize(tokens) > width) tokens.resize(width);
    out.push_back(std::move(tokens));
  }
  return out;
}

namespace parallel {

ParallelInputs injected(at::Tensor latents_ND) {
  return [latents_ND](const ParallelState& state) {
    const at::Tensor input_1ND = latents_ND.to(state.before_BD.scalar_type()).unsqueeze(0);
    return state.hidden_BKD.defined() ? input_1ND + state.hidden_BKD
                                      : input_1ND.expand({state.before_BD.size(0), -1, -1});
  };
}

}  // namespace parallel

// Blocks of latents, one a step, run through the model together several times; afterwards each names its token of the
// step [LOTUS, arXiv:2606.31779].
Method lotus_method() {
  Method m;
  m.name = "lotus";
  m.summary = "loops blocks of latents in parallel; each latent is trained to name its token of a written step";
  m.reference = "arXiv:2606.31779";
  m.counts_thoughts = true;
  m.options = {{"width", 2}, {"loops", 6}, {"step_weight", 1.0}};
  m.check_options = check_lotus_options;
  m.weights = fresh_latents;
  m.procedure = [](const MethodContext& context) {
    Procedure out = plain_procedure(context);
    out.parallel = loops(context.settings.options, context.latents, context.weights);
    return out;
  };
  m.row = [](const Example& example, const ObjectiveContext& context) {
    TrainingRow row{.prompt = context.tokenizer.encode(example.question),
                    .latents = context.latents * width_of(context.settings.options)};
    append_answer(row, example, context, false);
    return row;
  };
  m.loss = lotus_loss;
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
