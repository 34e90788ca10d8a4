#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "latent/method.h"
#include "latent/objective.h"
#include "latent/policy_gradient.h"
#include "latent/session.h"

namespace tacit {

// One chain of thought and answer that was drawn, position by position behind the prompt.
struct Rollout {
  std::vector<int64_t> prompt;
  std::vector<int64_t> tokens;      // -1 where a vector of no token was fed
  std::vector<at::Tensor> vectors;  // [D] where more than a token was fed, what it is is the method's; else undefined
  std::vector<char> drawn;          // 1 = an action: its probability is trained
  std::vector<double> log_p;        // of the action under the policy that drew it, 0 elsewhere
  int64_t thoughts = 0;             // positions of thoughts, the first ones
  double reward = 0;                // 1 = the answer is the expected one, token by token, and ended; else 0

  void add(int64_t token, bool was_drawn, double log_probability, at::Tensor vector = {}) {
    tokens.push_back(token);
    vectors.push_back(std::move(vector));
    drawn.push_back(was_drawn);
    log_p.push_back(log_probability);
  }
};

// Draws from softmax(logits / temperature); at temperature 0 the likeliest, the lowest id among equals.
struct TokenDraw {
  int64_t token = 0;
  double log_p = 0;  // at temperature 0 that at temperature 1
};
// One a row. Row b uses rngs[b] alone, once; rows that are not `wanted` draw nothing and get token 0.
std::vector<TokenDraw> draw_tokens(const at::Tensor& logits_BV, double temperature, std::vector<Rng>& rngs,
                                   const std::vector<char>& wanted);

// What chains of thought are drawn for, a row a rollout: every prompt `group` times, one behind the other.
class RolloutBatch {
 public:
  // `prompts` with their suffix; expected[i]: the tokens of prompt i's right answer. Prompts are run once and forked.
  RolloutBatch(const Transformer& model, const TokenRows& prompts, const TokenRows& expected, int64_t group,
               int64_t most_thoughts, const Procedure& procedure, uint64_t seed);

  int64_t rows() const { return std::ssize(rollouts_); }
  Session& session() { return session_; }
  std::vector<Rng>& rngs() { return rngs_; }
  std::vector<Rollout>& rollouts() { return rollouts_; }

  // Feeds the answer marker where `marker_fed` is 0, draws the answers and rewards them.
  void finish(const std::vector<char>& marker_fed, double temperature);

 private:
  const Procedure& procedure_;
  TokenRows expected_;  // by row
  std::vector<Rollout> rollouts_;
  std::vector<Rng> rngs_;
  Session session_;
};

// A pointer that does not own: what holds it must not outlive the model.
std::shared_ptr<const Transformer> borrowed(const Transformer& model);

// The tokens of the examples' answers.
TokenRows answers_of(const std::vector<Example>& examples, const Tokenizer& tokenizer);

// Every position behind the prompts that is fed, row by row: all but each row's last, which predicts nothing.
struct Fed {
  std::vector<int64_t> row, position;  // N of each
};
Fed fed_positions(const std::vector<Rollout>& rollouts);
// Runs the rollouts again, with gradient, on what was fed at those positions [N, D].  -> the hidden state after the
// final norm before every position behind the prompt [B, width, D], meaningless behind a row's own end
at::Tensor replay(const Transformer& model, const std::vector<Rollout>& rollouts, const Fed& fed,
                  const at::Tensor& input_ND);

// Of the drawn tokens, in row order: where each stands in a [B, width] grid, its id, and what the loss needs. Every
// rollout weighs the same, its actions share that evenly.
struct TokenActions {
  at::Tensor at_N, token_N;                // int64
  at::Tensor old_N, advantage_N, share_N;  // fp32
};
TokenActions token_actions(const std::vector<Rollout>& rollouts, const std::vector<double>& advantages);

// Log probabilities of those tokens at `temperature`, and the share of them that are the likeliest.
struct TokenScores {
  at::Tensor log_p_N;
  double likeliest = 0;
};
TokenScores score_tokens(const Transformer& model, const at::Tensor& before_BTD, const TokenActions& actions,
                         double temperature);

double mean_reward(const std::vector<Rollout>& rollouts);
std::vector<double> rewards_of(const std::vector<Rollout>& rollouts);

}  // namespace tacit
