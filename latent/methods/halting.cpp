#include <ATen/core/grad_mode.h>

#include "latent/halt_rule.h"
#include "latent/methods/methods.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

std::string base_name(const Json& options) { return options.at("base").get<std::string>(); }

// The method whose thoughts are halted, bound to the same weights and number of thoughts.
Procedure base_procedure(const MethodContext& context) {
  MethodSettings settings = context.settings;
  settings.method = base_name(context.settings.options);
  settings.options = context.option("base_options");
  return bind_method(method(settings.method), settings, context.tokenizer, context.latents, context.weights);
}

// What the frozen model thinks, and whether it would answer rightly before each thought.
struct Tries {
  at::Tensor hidden_BKD;  // after the final norm, where the row stands before thought k
  at::Tensor right_BK;    // 1 = every trained token of the answer is the likeliest
};

// By row: 1 = each token of the rest that is trained is predicted by what stands before it. logits_BTV: before the
// rest's first token, then after each.
at::Tensor all_predicted(const at::Tensor& logits_BTV, const std::vector<TrainingRow>& rows) {
  const at::Tensor likeliest_BT = logits_BTV.argmax(-1).to(at::kCPU).contiguous();
  const int64_t width = likeliest_BT.size(1);
  const int64_t* ids = likeliest_BT.const_data_ptr<int64_t>();
  std::vector<float> right(rows.size(), 1);
  for (size_t b = 0; b < rows.size(); ++b) {
    for (size_t t = 0; t < rows[b].rest.size(); ++t) {
      const int64_t predicted = ids[static_cast<int64_t>(b) * width + static_cast<int64_t>(t)];
      if (rows[b].rest_trained[t] && predicted != rows[b].rest[t]) right[b] = 0;
    }
  }
  return at::tensor(right);
}

Tries think_and_try(const LossContext& in) {
  const at::NoGradGuard no_grad;
  const ObjectiveContext& context = in.context;
  const Procedure base = base_procedure({context.settings, &context.tokenizer, context.latents, in.weights});
  TokenRows prompts, rest;
  int64_t longest = 0, width = 0;
  for (const TrainingRow& row : in.rows) {
    prompts.push_back(row.prompt);
    prompts.back().insert(prompts.back().end(), base.prompt_suffix.begin(), base.prompt_suffix.end());
    rest.push_back(row.rest);
    longest = std::max<int64_t>(longest, std::ssize(prompts.back()));
    width = std::max<int64_t>(width, std::ssize(row.rest));
  }
  // The caller's model outlives the session; its weights may take gradient, which the packed form does not.
  const std::shared_ptr<const Transformer> model(std::shared_ptr<const Transformer>(), &in.model);
  Session session(model, {.rows = std::ssize(prompts),
                          .capacity = longest + context.latents + width,
                          .fused = false,
                          .keep_layers = base.think.feedback.reads_layers});
  session.prefill(prompts);
  std::vector<int64_t> all(prompts.size());
  for (size_t b = 0; b < all.size(); ++b) all[b] = static_cast<int64_t>(b);
  ThinkOptions one = base.think;
  one.max_steps = 1;
  one.halt = halt::never();
  std::vector<at::Tensor> hidden, right;
  for (int64_t k = 0; k < context.latents; ++k) {
    hidden.push_back(session.hidden_BD().to(at::kFloat));
    const at::Tensor first_B1V = session.logits_BV().unsqueeze(1);
    const at::Tensor logits_BTV = at::cat({first_B1V, session.fork(all).feed_for_logits(rest)}, 1);
    right.push_back(all_predicted(logits_BTV, in.rows).to(in.model.device()));
    session.think(one);
  }
  return {at::stack(hidden, 1), at::stack(right, 1)};
}

// Binary cross entropy of "the answer is right already", mean over rows and thoughts. Only the head takes gradient.
LatentLoss halting_loss(const LossContext& in) {
  const Tries tries = think_and_try(in);
  const at::Tensor logit_BK = (tries.hidden_BKD * in.weights.at(kHaltingWeight)).sum(-1) + in.weights.at(kHaltingBias);
  LatentLoss out;
  out.total = at::binary_cross_entropy_with_logits(logit_BK, tries.right_BK);
  out.tokens = out.total.item<double>();
  out.accuracy = ((logit_BK >= 0) == (tries.right_BK > 0.5)).to(at::kFloat).mean().item<double>();
  for (const TrainingRow& row : in.rows) out.positions += std::ssize(row.prompt) + std::ssize(row.rest) + row.latents;
  out.figures = {{"right", tries.right_BK.mean().item<double>()}};
  return out;
}

MethodWeights halting_weights(const ModelConfig& config, const ObjectiveContext& context, uint64_t seed) {
  const Method& base = method(base_name(context.settings.options));
  MethodWeights out = base.weights ? base.weights(config, context, seed) : MethodWeights();
  out[kHaltingWeight] = at::zeros({config.hidden_size});
  out[kHaltingBias] = at::zeros({1});
  return out;
}

}  // namespace

// Learned halting: a linear head on the hidden state before each thought, trained to tell whether the answer would be
// right already; the model and the base method's own weights stay as they are. The trained folder thinks as its base
// method does, and stops where the head says so.
Method halting_method() {
  Method m;
  m.name = "halting";
  m.summary = "a head on a finished checkpoint that stops thinking when the answer is right already";
  m.reference = "this project; after PonderNet, arXiv:2107.05407";
  m.counts_thoughts = true;
  m.options = {{"base", "frontier"}, {"base_options", Json::object()}, {"threshold", 0.5}};
  m.check_options = [](const Json& options, const std::string& source) {
    const double threshold = options.at("threshold").get<double>();
    require(threshold >= 0 && threshold <= 1, "read_config", "expected 'threshold' to lie in 0..1 but got ", threshold,
            " in ", source);
    const Method& base = method(base_name(options));
    require(base.procedure && base.counts_thoughts && base.name != "halting", "read_config",
            "expected 'base' to be a method with a number of thoughts but got '", base.name, "' in ", source);
    method_options(base, options.at("base_options"), source);
  };
  m.check_start = [](const MethodSettings& start, const MethodSettings& own) {
    const std::string base = base_name(own.options);
    require(start.method == base, "train", "expected a checkpoint of method '", base,
            "' (option 'base') to start from but got '", start.method, "'");
    const Json& given = own.options.at("base_options");
    const Json mine = method_options(method(base), given, "'base_options'");
    const Json theirs = method_options(method(base), start.options, "the checkpoint's options");
    require(mine == theirs, "train", "expected 'base_options' as the checkpoint was trained, ", theirs.dump(),
            ", but got ", mine.dump());
    require(own.latents <= start.latents, "train", "expected at most ", start.latents,
            " latents, as the checkpoint was trained, but got ", own.latents);
  };
  m.procedure = [](const MethodContext& context) {
    const HaltRule learned{HaltRule::Kind::learned, context.option("threshold").get<double>()};
    return with_halt(base_procedure(context), learned, ModelConfig(), 0, context.weights);
  };
  m.weights = halting_weights;
  m.row = [](const Example& example, const ObjectiveContext& context) {
    TrainingRow row{.prompt = context.tokenizer.encode(example.question), .latents = context.latents};
    append_answer(row, example, context, false);
    return row;
  };
  m.loss = halting_loss;
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
