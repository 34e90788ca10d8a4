#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>

#include "latent/objective.h"
#include "latent/rest_loss.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {
namespace {

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

Hidden run_with_constant_thoughts(Passes& passes, const Transformer& model, const Batch& batch,
                                  const std::vector<TrainingRow>& rows, const LatentLossOptions& options) {
  const at::Tensor first_B1D = passes.prompts();
  at::Tensor input_BKD = passes.think(first_B1D, batch.shape.latents);
  if (options.teacher_forcing > 0) {
    const Ideal ideal = ideal_thoughts(model, rows, batch.shape.latents, options);
    input_BKD = at::where(ideal.rows_B11, ideal.thoughts_BKD, input_BKD);
  }
  const at::Tensor normed_BTD = at::cat({first_B1D, passes.rest(input_BKD)}, 1);
  return {normed_BTD.narrow(1, 0, batch.shape.latents),
          normed_BTD.narrow(1, batch.shape.latents, normed_BTD.size(1) - batch.shape.latents)};
}

}  // namespace

void check_rows(const Transformer& model, const std::vector<TrainingRow>& rows) { batch_shape(model.config(), rows); }

LatentLoss latent_loss(const Transformer& model, const std::vector<TrainingRow>& rows,
                       const LatentLossOptions& options) {
  require(!model.config().bidirectional, "latent_loss", "expected a model that reads from left to right");
  const Batch batch = make_batch(rows, batch_shape(model.config(), rows), model.device());
  require(!options.through_thoughts || options.teacher_forcing == 0, "latent_loss",
          "expected no gradient through thoughts under teacher forcing");
  require(!options.recompute || options.path == TrainingPath::fast, "latent_loss",
          "expected the fast path where passes are recomputed but got the plain one");
  const auto passes =
      options.path == TrainingPath::plain ? plain_passes(model, batch) : fast_passes(model, batch, options.recompute);
  const Transformer& read = passes->model();
  const Hidden hidden = options.through_thoughts || batch.shape.latents == 0
                            ? run_through_thoughts(*passes, batch)
                            : run_with_constant_thoughts(*passes, read, batch, rows, options);
  LatentLoss out;
  out.positions = positions_of(rows);
  at::Tensor total;
  if (batch.label_N.numel() > 0) {
    const RestLoss loss = rest_loss(read, batch, hidden.before_BTD);
    total = loss.total;
    out.tokens = total.item<double>();
    out.accuracy = loss.accuracy.item<double>();
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
