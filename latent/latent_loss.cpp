#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>

#include "latent/objective.h"
#include "latent/passes.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {
namespace {

void check_row(const TrainingRow& row, int64_t vocabulary) {
  require(row.rest_trained.size() == row.rest.size(), "latent_loss", "expected rest_trained for each of ",
          row.rest.size(), " tokens but got ", row.rest_trained.size());
  require(static_cast<int64_t>(row.thought_targets.size()) <= row.latents, "latent_loss",
          "expected targets for at most ", row.latents, " thoughts but got ", row.thought_targets.size());
  for (const auto& target : row.thought_targets) {
    for (const int64_t token : target) {
      require(token >= 0 && token < vocabulary, "latent_loss", "expected target tokens below ", vocabulary, " but got ",
              token);
    }
  }
}

Batch make_batch(const Transformer& model, const std::vector<TrainingRow>& rows) {
  require(!rows.empty(), "latent_loss", "expected at least one row");
  Batch out;
  out.latents = rows[0].latents;
  int64_t width = 0;
  for (const TrainingRow& row : rows) {
    require(!row.prompt.empty(), "latent_loss", "expected a prompt of at least one token");
    require(row.latents == out.latents, "latent_loss", "expected ", out.latents, " thoughts in every row but got ",
            row.latents);
    check_row(row, model.config().vocab_size);
    width = std::max<int64_t>(width, static_cast<int64_t>(row.prompt.size()));
    out.rest_width = std::max<int64_t>(out.rest_width, static_cast<int64_t>(row.rest.size()));
  }
  const int64_t B = static_cast<int64_t>(rows.size());
  std::vector<int64_t> prompt(B * width, 0), rest(B * out.rest_width, 0), trained, label;
  for (int64_t b = 0; b < B; ++b) {
    const TrainingRow& row = rows[b];
    out.prompt_size.push_back(static_cast<int64_t>(row.prompt.size()));
    out.rest_size.push_back(static_cast<int64_t>(row.rest.size()));
    out.begins.push_back(width - out.prompt_size[b]);
    std::copy(row.prompt.begin(), row.prompt.end(), prompt.begin() + b * width + out.begins[b]);
    std::copy(row.rest.begin(), row.rest.end(), rest.begin() + b * out.rest_width);
    out.positions += static_cast<int64_t>(row.prompt.size() + row.rest.size()) + row.latents;
    for (size_t t = 0; t < row.rest.size(); ++t) {
      if (!row.rest_trained[t]) continue;
      trained.push_back(b * out.rest_width + static_cast<int64_t>(t));
      label.push_back(row.rest[t]);
    }
  }
  require(width + out.latents + out.rest_width <= model.config().max_positions, "latent_loss", "expected at most ",
          model.config().max_positions, " positions but got ", width + out.latents + out.rest_width);
  const at::Device device = model.device();
  out.prompt_BT = at::tensor(prompt, at::kLong).view({B, width}).to(device);
  out.rest_BT = at::tensor(rest, at::kLong).view({B, out.rest_width}).to(device);
  out.trained_N = at::tensor(trained, at::kLong).to(device);
  out.label_N = at::tensor(label, at::kLong).to(device);
  return out;
}

// Mean divergence of the thoughts' readouts from the uniform distribution over their targets.
at::Tensor thought_divergence(const Transformer& model, const at::Tensor& thoughts_BKD,
                              const std::vector<TrainingRow>& rows) {
  std::vector<int64_t> thought;  // those with a target: b * K + k
  std::vector<int64_t> index;    // flat n * V + token, n counting those
  std::vector<float> share;
  const int64_t K = thoughts_BKD.size(1), V = model.config().vocab_size;
  double entropy = 0;
  for (size_t b = 0; b < rows.size(); ++b) {
    for (size_t k = 0; k < rows[b].thought_targets.size(); ++k) {
      const auto& target = rows[b].thought_targets[k];
      if (target.empty()) continue;
      const int64_t n = static_cast<int64_t>(thought.size());
      thought.push_back(static_cast<int64_t>(b) * K + static_cast<int64_t>(k));
      entropy += std::log(static_cast<double>(target.size()));
      for (int64_t token : target) {
        index.push_back(n * V + token);
        share.push_back(1.0f / static_cast<float>(target.size()));
      }
    }
  }
  if (thought.empty()) return {};
  const at::Tensor trained_ND =
      thoughts_BKD.flatten(0, 1).index_select(0, at::tensor(thought, at::kLong).to(thoughts_BKD.device()));
  const at::Tensor log_p = at::log_softmax(model.logits(trained_ND).to(at::kFloat), -1).view(-1);
  const at::Tensor picked = log_p.index_select(0, at::tensor(index, at::kLong).to(log_p.device()));
  const at::Tensor cross_entropy = -(picked * at::tensor(share, at::kFloat).to(log_p.device())).sum();
  return (cross_entropy - entropy) / static_cast<double>(thought.size());
}

// Which rows get ideal thoughts [B, 1, 1] bool, and those thoughts [B, K, D] (LatentLossOptions::teacher_forcing).
struct Ideal {
  at::Tensor rows_B11, thoughts_BKD;
};

Ideal ideal_thoughts(const Transformer& model, const std::vector<TrainingRow>& rows, int64_t K,
                     const LatentLossOptions& options) {
  const int64_t B = static_cast<int64_t>(rows.size()), V = model.config().vocab_size, D = model.config().hidden_size;
  at::Tensor weight_BKV = at::zeros({B, K, V}, at::kFloat), noise_BKD = at::zeros({B, K, D}, at::kFloat);
  at::Tensor forced_B11 = at::zeros({B, 1, 1}, at::kBool);
  float* weight = weight_BKV.mutable_data_ptr<float>();
  float* noise = noise_BKD.mutable_data_ptr<float>();
  bool* forced = forced_B11.mutable_data_ptr<bool>();
  for (int64_t b = 0; b < B; ++b) {
    constexpr uint32_t noise_stream = 7;  // apart from the examples and weights of the same seed
    Rng rng(options.noise_seed, static_cast<uint64_t>(b), noise_stream);
    forced[b] = rng.uniform() < options.teacher_forcing;
    if (!forced[b]) continue;
    require(static_cast<int64_t>(rows[b].thought_targets.size()) == K, "latent_loss", "expected ", K,
            " thought targets for teacher forcing but got ", rows[b].thought_targets.size());
    for (int64_t k = 0; k < K; ++k) {
      const auto& target = rows[b].thought_targets[k];
      require(!target.empty(), "latent_loss", "expected a target for every thought under teacher forcing but thought ",
              k + 1, " of row ", b, " has none");
      for (int64_t token : target)
        weight[(b * K + k) * V + token] = static_cast<float>(std::exp(options.unevenness * rng.normal()));
      for (int64_t d = 0; d < D; ++d) noise[(b * K + k) * D + d] = static_cast<float>(options.noise * rng.normal());
    }
  }
  const auto on_model = [&](const at::Tensor& x) { return x.to(model.device(), model.dtype()); };
  const at::Tensor sum_BKD = at::matmul(on_model(weight_BKV), model.unembedding());
  const at::Tensor size_BK1 = sum_BKD.detach().square().mean(-1, /*keepdim=*/true).sqrt();
  return {forced_B11.to(model.device()), model.final_norm(sum_BKD + on_model(noise_BKD) * size_BK1)};
}

// Hidden states after the final norm: of the thoughts as the model makes them, and before each token of the rest.
struct Hidden {
  at::Tensor thoughts_BKD;  // undefined without thoughts
  at::Tensor before_BTD;    // position t predicts rest token t
};

Hidden run_through_thoughts(Passes& passes, const Batch& batch) {
  at::Tensor last_B1D = passes.prompts();
  std::vector<at::Tensor> thoughts;
  for (int64_t k = 0; k < batch.latents; ++k) {
    thoughts.push_back(last_B1D);
    last_B1D = passes.thought(last_B1D);
  }
  Hidden out;
  if (!thoughts.empty()) out.thoughts_BKD = at::cat(thoughts, 1);
  out.before_BTD = batch.rest_width > 1 ? at::cat({last_B1D, passes.rest({})}, 1) : last_B1D;
  return out;
}

Hidden run_with_constant_thoughts(Passes& passes, const Transformer& model, const Batch& batch,
                                  const std::vector<TrainingRow>& rows, const LatentLossOptions& options) {
  const at::Tensor first_B1D = passes.prompts();
  at::Tensor input_BKD = passes.think(first_B1D, batch.latents);
  if (options.teacher_forcing > 0) {
    const Ideal ideal = ideal_thoughts(model, rows, batch.latents, options);
    input_BKD = at::where(ideal.rows_B11, ideal.thoughts_BKD, input_BKD);
  }
  const at::Tensor normed_BTD = at::cat({first_B1D, passes.rest(input_BKD)}, 1);
  return {normed_BTD.narrow(1, 0, batch.latents),
          normed_BTD.narrow(1, batch.latents, normed_BTD.size(1) - batch.latents)};
}

}  // namespace

void check_rows(const Transformer& model, const std::vector<TrainingRow>& rows) { make_batch(model, rows); }

LatentLoss latent_loss(const Transformer& model, const std::vector<TrainingRow>& rows,
                       const LatentLossOptions& options) {
  require(!model.config().bidirectional, "latent_loss", "expected a model that reads from left to right");
  const Batch batch = make_batch(model, rows);
  require(!options.through_thoughts || options.teacher_forcing == 0, "latent_loss",
          "expected no gradient through thoughts under teacher forcing");
  require(!options.recompute || options.path == TrainingPath::fast, "latent_loss",
          "expected the fast path where passes are recomputed but got the plain one");
  const auto passes =
      options.path == TrainingPath::plain ? plain_passes(model, batch) : fast_passes(model, batch, options.recompute);
  const Transformer& read = passes->model();
  const Hidden hidden = options.through_thoughts || batch.latents == 0
                            ? run_through_thoughts(*passes, batch)
                            : run_with_constant_thoughts(*passes, read, batch, rows, options);
  LatentLoss out;
  out.positions = batch.positions;
  at::Tensor total;
  if (batch.label_N.numel() > 0) {
    const at::Tensor trained_ND = hidden.before_BTD.flatten(0, 1).index_select(0, batch.trained_N);
    const at::Tensor logits_NV = read.logits(trained_ND).to(at::kFloat);
    total = at::cross_entropy_loss(logits_NV, batch.label_N);
    out.tokens = total.item<double>();
    out.accuracy = (logits_NV.argmax(-1) == batch.label_N).to(at::kFloat).mean().item<double>();
  }
  if (hidden.thoughts_BKD.defined()) {
    const at::Tensor divergence = thought_divergence(read, hidden.thoughts_BKD, rows);
    if (divergence.defined()) {
      out.thoughts = divergence.item<double>();
      for (const TrainingRow& row : rows) {
        out.trained_thoughts += std::ranges::count_if(row.thought_targets, [](const auto& t) { return !t.empty(); });
      }
      const at::Tensor weighted = options.thought_weight * divergence;
      total = total.defined() ? total + weighted : weighted;
    }
  }
  require(total.defined(), "latent_loss", "expected at least one trained token or thought");
  out.total = total;
  return out;
}

}  // namespace tacit
