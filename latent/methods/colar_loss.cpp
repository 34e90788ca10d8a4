#include "latent/methods/colar_loss.h"

#include <cmath>

#include "latent/methods/colar_head.h"
#include "latent/methods/methods.h"
#include "latent/unroll.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr uint32_t kFactorStream = 13, kLabelStream = 14;  // apart from other draws of the same seed

at::Tensor long_tensor(const std::vector<int64_t>& values, const Transformer& model) {
  return at::tensor(values, at::kLong).to(model.device());
}

// Rows of a [B, width, D] grid.
at::Tensor pick(const at::Tensor& x_BTD, const std::vector<int64_t>& row, const std::vector<int64_t>& position,
                const Transformer& model) {
  std::vector<int64_t> index;
  for (size_t n = 0; n < row.size(); ++n) index.push_back(row[n] * x_BTD.size(1) + position[n]);
  return x_BTD.flatten(0, 1).index_select(0, long_tensor(index, model));
}

int64_t drawn_factor(const Json& options, uint64_t seed) {
  Rng rng(seed, 0, kFactorStream);
  return rng.between(1, options.at("max_compression").get<int64_t>());
}

}  // namespace

ColarSequences colar_sequences(const Transformer& model, const TokenRows& prompts, const TokenRows& chains,
                               const TokenRows& tails, int64_t factor, uint64_t seed) {
  ColarSequences out;
  std::vector<int64_t> token, target;  // token i is part of what is fed n-th, n = target[i]
  std::vector<double> weight;
  int64_t fed = 0;
  for (size_t b = 0; b < prompts.size(); ++b) {
    const auto row = static_cast<int64_t>(b);
    Rng rng(seed, b, kLabelStream);
    Rollout sequence{.prompt = prompts[b]};
    for (int64_t begin = 0; begin < std::ssize(chains[b]); begin += factor, ++fed) {
      const int64_t length = std::min(factor, std::ssize(chains[b]) - begin);
      for (int64_t i = 0; i < length; ++i) {
        token.push_back(chains[b][begin + i]);
        target.push_back(fed);
        weight.push_back(1 / std::sqrt(static_cast<double>(length)));
      }
      out.latent_row.push_back(row);
      out.latent_position.push_back(sequence.thoughts);
      out.latent_fed.push_back(fed);
      out.label_row.push_back(row);
      out.label_position.push_back(sequence.thoughts++);
      out.label.push_back(chains[b][begin + rng.below(length)]);
      sequence.add(-1, false, 0);
    }
    for (size_t t = 0; t < tails[b].size(); ++t) {
      out.label_row.push_back(row);
      out.label_position.push_back(std::ssize(sequence.tokens));
      out.label.push_back(tails[b][t]);
      sequence.add(tails[b][t], false, 0);
      if (t + 1 == tails[b].size()) continue;  // the last token is not fed
      token.push_back(tails[b][t]);
      target.push_back(fed++);
      weight.push_back(1);
    }
    out.rows.push_back(std::move(sequence));
  }
  out.fed = fed_positions(out.rows);
  const at::Tensor e_MD = model.embed(long_tensor(token, model)).to(at::kFloat) *
                          at::tensor(weight, at::kFloat).to(model.device()).unsqueeze(1);
  out.input_ND = at::zeros({fed, e_MD.size(1)}, e_MD.options()).index_add(0, long_tensor(target, model), e_MD);
  return out;
}

Procedure colar_format(const MethodContext& context, int64_t compression) {
  Procedure out = plain_procedure(context);
  const auto think = marker_ids(context.settings.markers.think, context);
  for (int64_t i = 0; i < compression; ++i) append_to(out.prompt_suffix, think);
  out.think.max_steps = (context.settings.max_words + compression - 1) / compression;
  return out;
}

namespace {

// The rows of a batch in colar's format.
struct Texts {
  TokenRows prompts, chains, tails;
};

Texts texts_of(const LossContext& in, const Procedure& format) {
  Texts out;
  const Tokenizer& tokenizer = in.context.tokenizer;
  for (const Example& example : in.examples) {
    out.prompts.push_back(tokenizer.encode(example.question));
    append_to(out.prompts.back(), format.prompt_suffix);
    out.chains.push_back(tokenizer.encode(chain_text(example)));
    auto& tail = out.tails.emplace_back(format.answer_marker);
    append_to(tail, tokenizer.encode(example.answer));
    if (!format.stop_tokens.empty()) tail.push_back(format.stop_tokens.ids()[0]);
  }
  return out;
}

MethodContext method_context(const LossContext& in) {
  return {in.context.settings, &in.context.tokenizer, in.context.latents};
}

}  // namespace

LatentLoss colar_supervised_loss(const LossContext& in) {
  const Json& options = in.context.settings.options;
  const int64_t factor =
      in.training ? drawn_factor(options, in.context.seed) : options.at("compression").get<int64_t>();
  const Texts texts = texts_of(in, colar_format(method_context(in), factor));
  const ColarSequences data =
      colar_sequences(in.model, texts.prompts, texts.chains, texts.tails, factor, in.context.seed);
  const at::Tensor before_BTD = replay(in.model, data.rows, data.fed, data.input_ND);

  const at::Tensor label_N = long_tensor(data.label, in.model);
  const at::Tensor logits_NV =
      in.model.logits(pick(before_BTD, data.label_row, data.label_position, in.model)).to(at::kFloat);
  const at::Tensor tokens = at::cross_entropy_loss(logits_NV, label_N);
  LatentLoss out;
  out.tokens = tokens.item<double>();
  out.accuracy = (logits_NV.argmax(-1) == label_N).to(at::kFloat).mean().item<double>();
  for (const Rollout& row : data.rows) out.positions += std::ssize(row.prompt) + std::ssize(row.tokens);
  out.total = number_option(options, "token_weight") * tokens;
  if (!data.latent_row.empty()) {
    const Gaussian gaussian =
        gaussian_head(in.weights, pick(before_BTD, data.latent_row, data.latent_position, in.model));
    const at::Tensor gold_MD = data.input_ND.detach().index_select(0, long_tensor(data.latent_fed, in.model)) /
                               number_option(options, "embedding_std");
    const bool nll = options.at("latent_loss") == "nll";
    const at::Tensor latents =
        (nll ? gaussian_nll(gaussian, gold_MD) : gaussian_square_error(gaussian, gold_MD)).mean();
    out.total = out.total + number_option(options, "latent_weight") * latents;
    out.figures = {{"latent_loss", latents.item<double>()},
                   {"sigma", gaussian.log_sigma.detach().exp().mean().item<double>()},
                   {"compression", static_cast<double>(factor)}};
  }
  return out;
}

LatentLoss colar_policy_loss(const LossContext& in) {
  const Json& options = in.context.settings.options;
  const Procedure format = colar_format(method_context(in), options.at("compression").get<int64_t>());
  const Texts texts = texts_of(in, format);
  ColarRolloutOptions how{.group = options.at("group").get<int64_t>(),
                          .temperature = number_option(options, "temperature"),
                          .spread = number_option(options, "spread"),
                          .embedding_std = number_option(options, "embedding_std"),
                          .seed = in.context.seed};
  const TokenRows expected = answers_of(in.examples, in.context.tokenizer);
  if (!in.training) {
    how = {.group = 1, .temperature = 0, .spread = 0, .embedding_std = how.embedding_std};
    LatentLoss out = colar_supervised_loss(in);
    out.figures.emplace_back("reward",
                             mean_reward(colar_rollouts(in.model, in.weights, format, texts.prompts, expected, how)));
    return out;
  }
  const auto rollouts = colar_rollouts(in.model, in.weights, format, texts.prompts, expected, how);
  const auto advantages = group_advantages(rewards_of(rollouts), how.group);
  const Fed fed = fed_positions(rollouts);
  std::vector<int64_t> ids, vectors_at, row, position;
  std::vector<at::Tensor> vectors;
  std::vector<double> old, advantage, share;
  for (size_t n = 0; n < fed.row.size(); ++n) {
    const Rollout& rollout = rollouts[fed.row[n]];
    ids.push_back(std::max<int64_t>(rollout.tokens[fed.position[n]], 0));
    if (rollout.tokens[fed.position[n]] >= 0) continue;
    vectors_at.push_back(static_cast<int64_t>(n));
    vectors.push_back(rollout.vectors[fed.position[n]]);
    row.push_back(fed.row[n]);
    position.push_back(fed.position[n]);
    old.push_back(rollout.log_p[fed.position[n]]);
    advantage.push_back(advantages[fed.row[n]]);
    share.push_back(1 / static_cast<double>(rollout.thoughts * std::ssize(rollouts)));
  }
  at::Tensor input_ND = in.model.embed(long_tensor(ids, in.model)).to(at::kFloat);
  if (!vectors.empty()) {
    input_ND = input_ND.index_copy(0, long_tensor(vectors_at, in.model), at::stack(vectors).to(at::kFloat));
  }
  const at::Tensor before_BTD = replay(in.model, rollouts, fed, input_ND);
  const TokenActions actions = token_actions(rollouts, advantages);
  const TokenScores scores = score_tokens(in.model, before_BTD, actions, how.temperature);
  const PolicyLossOptions clip{.clip = number_option(options, "clip")};
  const PolicyLoss words = policy_loss({scores.log_p_N, actions.old_N, actions.advantage_N, actions.share_N}, clip);
  LatentLoss out;
  out.total = words.loss;
  out.tokens = -scores.log_p_N.mean().item<double>();
  out.accuracy = scores.likeliest;
  double ratio_error = words.ratio_error, latents = 0;
  if (!vectors.empty()) {
    const Gaussian gaussian =
        spread_gaussian(gaussian_head(in.weights, pick(before_BTD, row, position, in.model)), how.spread);
    const at::Tensor log_p_M = -gaussian_nll(gaussian, at::stack(vectors).to(at::kFloat) / how.embedding_std);
    const auto fp32 = [](const std::vector<double>& x) { return at::tensor(x, at::kFloat); };
    const PolicyLoss policy = policy_loss({log_p_M, fp32(old), fp32(advantage), fp32(share)}, clip);
    out.total = out.total + policy.loss;
    ratio_error = std::max(ratio_error, policy.ratio_error);
  }
  for (const Rollout& rollout : rollouts) {
    out.positions += std::ssize(rollout.prompt) + std::ssize(rollout.tokens);
    latents += static_cast<double>(rollout.thoughts) / static_cast<double>(rollouts.size());
  }
  out.figures = {{"reward", mean_reward(rollouts)}, {"latents", latents}, {"ratio_error", ratio_error}};
  return out;
}

}  // namespace tacit
