#include "decoding/verbalise.h"

#include <ATen/core/grad_mode.h>

#include "decoding/readout.h"
#include "decoding/thought_text.h"
#include "decoding/vote.h"
#include "latent/session.h"
#include "lib/core/error.h"

namespace tacit {

static at::Tensor on_host(const at::Tensor& x) { return x.to(at::kCPU, at::kFloat); }

static void require_thoughts(const at::Tensor& thoughts_KD, int64_t hidden_size) {
  require(thoughts_KD.dim() == 2 && thoughts_KD.size(1) == hidden_size, "verbalise", "expected thoughts of shape [K, ",
          hidden_size, "] but got ", shape_text(thoughts_KD.sizes()));
}

StepBank step_bank(const std::shared_ptr<const Transformer>& model, const std::vector<WrittenSteps>& problems) {
  StepBank bank;
  std::vector<at::Tensor> hidden;
  for (const WrittenSteps& problem : problems) {
    int64_t positions = std::ssize(problem.prompt);
    for (const auto& step : problem.steps) positions += std::ssize(step);
    require(!problem.prompt.empty(), "step_bank", "expected questions of at least one token");
    Session session(model, {.rows = 1, .capacity = positions});
    session.prefill({problem.prompt});
    for (const auto& step : problem.steps) {
      if (step.empty()) continue;
      session.feed(step);
      bank.steps.push_back(step);
      hidden.push_back(session.hidden_BD()[0]);
    }
  }
  require(!hidden.empty(), "step_bank", "expected problems with written steps but got none among ", problems.size());
  bank.hidden_ND = at::stack(hidden);
  return bank;
}

namespace verbaliser {

Verbaliser lens(std::shared_ptr<const Transformer> model, std::shared_ptr<const Tokenizer> tokenizer, int64_t words) {
  require(words >= 1, "verbalise", "expected at least one word but got ", words);
  const auto say = [=](const at::Tensor& thoughts_KD) {
    const at::NoGradGuard no_grad;
    std::vector<Verbalised> out;
    for (const auto& shares : readouts(*model, thoughts_KD, words)) {
      Verbalised one;
      std::vector<float> weights;
      for (const TokenShare& share : shares) {
        one.tokens.push_back(share.token);
        one.score += share.probability;
        weights.push_back(static_cast<float>(share.probability));
      }
      for (float& weight : weights) weight /= static_cast<float>(one.score);
      const at::Tensor embedded_ND = model->embed(at::tensor(one.tokens, at::kLong).to(model->device()));
      one.vector_D =
          weights.size() == 1 ? embedded_ND[0] : at::matmul(at::tensor(weights).to(embedded_ND.options()), embedded_ND);
      one.text = tokenizer->decode(one.tokens);
      out.push_back(std::move(one));
    }
    return out;
  };
  return {words == 1 ? "lens" : "lens:" + std::to_string(words), say};
}

Verbaliser nearest(std::shared_ptr<const Tokenizer> tokenizer, StepBank bank) {
  require(bank.hidden_ND.defined() && bank.hidden_ND.dim() == 2 && bank.hidden_ND.size(0) == std::ssize(bank.steps),
          "verbalise", "expected a bank of steps with a hidden state for each");
  const auto unit = [](const at::Tensor& x_ND) { return x_ND / x_ND.norm(2, -1, /*keepdim=*/true).clamp_min(1e-12); };
  const at::Tensor bank_ND = unit(on_host(bank.hidden_ND));
  const auto say = [=](const at::Tensor& thoughts_KD) {
    const at::NoGradGuard no_grad;
    require_thoughts(thoughts_KD, bank_ND.size(1));
    std::vector<Verbalised> out;
    if (thoughts_KD.size(0) == 0) return out;
    const auto [cosine_K, index_K] = at::matmul(unit(on_host(thoughts_KD)), bank_ND.t()).max(-1);
    for (int64_t k = 0; k < thoughts_KD.size(0); ++k) {
      const auto n = index_K[k].item<int64_t>();
      out.push_back({tokenizer->decode(bank.steps[n]), bank.steps[n], bank.hidden_ND[n], cosine_K[k].item<double>()});
    }
    return out;
  };
  return {"nearest", say};
}

Verbaliser decoder(std::shared_ptr<const Transformer> decoder, std::shared_ptr<const Tokenizer> tokenizer,
                   int64_t max_tokens, StopTokens stop_tokens) {
  const auto say = [=](const at::Tensor& thoughts_KD) {
    require_thoughts(thoughts_KD, decoder->config().hidden_size);
    std::vector<Verbalised> out;
    for (int64_t k = 0; k < thoughts_KD.size(0); ++k) {
      const Decoded words =
          decode_thought(decoder, thoughts_KD.narrow(0, k, 1),
                         {.max_tokens = max_tokens, .stop_tokens = stop_tokens, .keep_log_probs = true});
      out.push_back({tokenizer->decode(words.tokens), words.tokens, {}, likelihood(words.log_probs, Likelihood::mean)});
    }
    return out;
  };
  return {"decoder", say};
}

}  // namespace verbaliser
}  // namespace tacit
