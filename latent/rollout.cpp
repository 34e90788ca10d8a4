#include "latent/rollout.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>

#include "latent/unroll.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

int64_t longest(const TokenRows& rows) {
  int64_t width = 0;
  for (const auto& row : rows) width = std::max<int64_t>(width, std::ssize(row));
  return width;
}

// By row, prompt i `group` times.
std::vector<int64_t> repeated(int64_t prompts, int64_t group) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < prompts * group; ++i) out.push_back(i / group);
  return out;
}

Session started(const Transformer& model, const TokenRows& prompts, int64_t group, int64_t behind) {
  require(group >= 1, "rollout", "expected at least one rollout a prompt but got ", group);
  Session session(borrowed(model), {.rows = std::ssize(prompts), .capacity = longest(prompts) + behind});
  session.prefill(prompts);
  Session out = session.fork(repeated(std::ssize(prompts), group));
  std::vector<int64_t> ids(out.rows());
  for (size_t b = 0; b < ids.size(); ++b) ids[b] = static_cast<int64_t>(b);
  out.name_rows(ids);
  return out;
}

constexpr uint32_t kRolloutStream = 11;  // apart from the examples, weights and noise of the same seed

}  // namespace

std::shared_ptr<const Transformer> borrowed(const Transformer& model) {
  return {std::shared_ptr<const Transformer>(), &model};
}

TokenRows answers_of(const std::vector<Example>& examples, const Tokenizer& tokenizer) {
  TokenRows out;
  for (const Example& example : examples) out.push_back(tokenizer.encode(example.answer));
  return out;
}

std::vector<TokenDraw> draw_tokens(const at::Tensor& logits_BV, double temperature, std::vector<Rng>& rngs,
                                   const std::vector<char>& wanted) {
  const double scale = temperature > 0 ? 1 / temperature : 1;
  const std::vector<int64_t> likeliest = likeliest_tokens(logits_BV, "rollout");
  const at::Tensor log_p_BV =
      at::log_softmax(logits_BV.to(at::kFloat) * scale, -1).to(at::kCPU, at::kDouble).contiguous();
  const int64_t V = log_p_BV.size(1);
  std::vector<TokenDraw> out(log_p_BV.size(0));
  for (size_t b = 0; b < out.size(); ++b) {
    if (!wanted[b]) continue;
    const double* log_p = log_p_BV.const_data_ptr<double>() + static_cast<int64_t>(b) * V;
    int64_t token = likeliest[b];
    if (temperature > 0) {
      double left = rngs[b].uniform();
      for (int64_t v = 0; v < V; ++v) {
        left -= std::exp(log_p[v]);
        if (left < 0) {  // rounding may leave a rest behind the last token; then the likeliest is meant
          token = v;
          break;
        }
      }
    }
    out[b] = {token, log_p[token]};
  }
  return out;
}

RolloutBatch::RolloutBatch(const Transformer& model, const TokenRows& prompts, const TokenRows& expected, int64_t group,
                           int64_t most_thoughts, const Procedure& procedure, uint64_t seed)
    : procedure_(procedure),
      session_(
          started(model, prompts, group, most_thoughts + std::ssize(procedure.answer_marker) + longest(expected) + 1)) {
  require(expected.size() == prompts.size(), "rollout", "expected an answer for each of ", prompts.size(),
          " prompts but got ", expected.size());
  for (const int64_t i : repeated(std::ssize(prompts), group)) {
    rngs_.emplace_back(seed, rollouts_.size(), kRolloutStream);
    rollouts_.push_back({.prompt = prompts[i]});
    expected_.push_back(expected[i]);
  }
}

void RolloutBatch::finish(const std::vector<char>& marker_fed, double temperature) {
  TokenRows markers(rows());
  for (int64_t b = 0; b < rows(); ++b) {
    // What a chain has fed of the marker is its first token.
    const auto& marker = procedure_.answer_marker;
    for (size_t i = marker_fed[b] ? 1 : 0; i < marker.size(); ++i) {
      markers[b].push_back(marker[i]);
      rollouts_[b].add(marker[i], false, 0);
    }
  }
  session_.feed(markers);
  std::vector<char> open(rows(), 1);
  std::vector<std::vector<int64_t>> answers(rows());
  for (int64_t step = 0; step <= longest(expected_); ++step) {
    const auto draws = draw_tokens(session_.logits_BV(), temperature, rngs_, open);
    TokenRows next(rows());
    for (int64_t b = 0; b < rows(); ++b) {
      if (!open[b]) continue;
      const int64_t token = draws[b].token;
      rollouts_[b].add(token, true, draws[b].log_p);
      const bool ended = procedure_.stop_tokens.contains(token);
      if (!ended) answers[b].push_back(token);
      // Without a stop token an answer ends with its expected length.
      const bool full = std::ssize(answers[b]) == std::ssize(expected_[b]);
      if (ended || (full && procedure_.stop_tokens.empty())) rollouts_[b].reward = answers[b] == expected_[b];
      open[b] = !ended && answers[b].size() < expected_[b].size() + (procedure_.stop_tokens.empty() ? 0 : 1);
      if (open[b]) next[b] = {token};
    }
    if (std::ranges::none_of(open, [](char o) { return o != 0; })) break;
    session_.feed(next);
  }
}

Fed fed_positions(const std::vector<Rollout>& rollouts) {
  Fed out;
  for (size_t b = 0; b < rollouts.size(); ++b) {
    // The last position predicts nothing.
    for (int64_t t = 0; t + 1 < std::ssize(rollouts[b].tokens); ++t) {
      out.row.push_back(static_cast<int64_t>(b));
      out.position.push_back(t);
    }
  }
  return out;
}

at::Tensor replay(const Transformer& model, const std::vector<Rollout>& rollouts, const Fed& fed,
                  const at::Tensor& input_ND) {
  TokenRows prompts;
  int64_t width = 0;
  for (const Rollout& rollout : rollouts) {
    prompts.push_back(rollout.prompt);
    width = std::max<int64_t>(width, std::ssize(rollout.tokens) - 1);
  }
  Unroll unroll(model, prompts);
  const at::Tensor first_B1D = unroll.last_BD().unsqueeze(1);
  if (width <= 0) return first_B1D;
  std::vector<int64_t> index;
  for (size_t n = 0; n < fed.row.size(); ++n) index.push_back(fed.row[n] * width + fed.position[n]);
  const at::Tensor index_N = at::tensor(index, at::kLong).to(model.device());
  const at::Tensor x_BTD =
      at::zeros({std::ssize(rollouts) * width, input_ND.size(1)}, input_ND.options().dtype(model.dtype()))
          .index_copy(0, index_N, input_ND.to(model.dtype()))
          .view({std::ssize(rollouts), width, -1});
  return at::cat({first_B1D, unroll.feed(x_BTD)}, 1);
}

TokenActions token_actions(const std::vector<Rollout>& rollouts, const std::vector<double>& advantages) {
  int64_t width = 1;
  for (const Rollout& rollout : rollouts) width = std::max<int64_t>(width, std::ssize(rollout.tokens));
  std::vector<int64_t> at, token;
  std::vector<double> old, advantage, share;
  for (size_t b = 0; b < rollouts.size(); ++b) {
    const Rollout& rollout = rollouts[b];
    const auto count = static_cast<double>(std::ranges::count(rollout.drawn, 1));
    for (size_t t = 0; t < rollout.tokens.size(); ++t) {
      if (!rollout.drawn[t]) continue;
      at.push_back(static_cast<int64_t>(b) * width + static_cast<int64_t>(t));
      token.push_back(rollout.tokens[t]);
      old.push_back(rollout.log_p[t]);
      advantage.push_back(advantages[b]);
      share.push_back(1 / (count * static_cast<double>(rollouts.size())));
    }
  }
  return {at::tensor(at, at::kLong), at::tensor(token, at::kLong), at::tensor(old, at::kFloat),
          at::tensor(advantage, at::kFloat), at::tensor(share, at::kFloat)};
}

TokenScores score_tokens(const Transformer& model, const at::Tensor& before_BTD, const TokenActions& actions,
                         double temperature) {
  const at::Tensor hidden_ND = before_BTD.flatten(0, 1).index_select(0, actions.at_N.to(model.device()));
  const at::Tensor logits_NV = model.logits(hidden_ND).to(at::kFloat);
  const at::Tensor token_N = actions.token_N.to(model.device());
  const double scale = temperature > 0 ? 1 / temperature : 1;
  return {at::log_softmax(logits_NV * scale, -1).gather(-1, token_N.unsqueeze(1)).squeeze(1),
          (logits_NV.argmax(-1) == token_N).to(at::kFloat).mean().item<double>()};
}

double mean_reward(const std::vector<Rollout>& rollouts) {
  double sum = 0;
  for (const Rollout& rollout : rollouts) sum += rollout.reward;
  return sum / static_cast<double>(rollouts.size());
}

std::vector<double> rewards_of(const std::vector<Rollout>& rollouts) {
  std::vector<double> out;
  for (const Rollout& rollout : rollouts) out.push_back(rollout.reward);
  return out;
}

}  // namespace tacit
