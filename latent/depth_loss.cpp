#include "latent/depth_loss.h"

#include <algorithm>
#include <cmath>

#include "latent/thinking.h"
#include "lib/core/error.h"
#include "lib/memory/training_memory.h"
#include "lib/model/memory_layout.h"

namespace tacit {

// Rows are aligned at their end; the last token of each predicts nothing and is left out.
DepthPass pass_in_depth(const Transformer& model, const std::vector<TrainingRow>& rows, const DepthRun& depth) {
  require(!rows.empty(), "depth_loss", "expected at least one row");
  DepthPass out;
  std::vector<int64_t> sizes;
  for (const TrainingRow& row : rows) {
    require(row.latents == 0 && !row.prompt.empty() && row.rest_trained.size() == row.rest.size(), "depth_loss",
            "expected rows of a prompt and a rest without thoughts but got ", row.prompt.size(), " and ",
            row.rest.size(), " tokens, ", row.latents, " thoughts");
    sizes.push_back(std::ssize(row.prompt) + std::max<int64_t>(std::ssize(row.rest) - 1, 0));
    out.positions += std::ssize(row.prompt) + std::ssize(row.rest);
  }
  const int64_t B = std::ssize(rows), T = *std::ranges::max_element(sizes);
  std::vector<int64_t> ids(B * T, 0), begins, at, label, whose;
  for (int64_t b = 0; b < B; ++b) {
    const TrainingRow& row = rows[b];
    begins.push_back(T - sizes[b]);
    int64_t* end = std::ranges::copy(row.prompt, ids.data() + b * T + begins[b]).out;
    std::copy_n(row.rest.begin(), std::max<int64_t>(std::ssize(row.rest) - 1, 0), end);
    for (int64_t t = 0; t < std::ssize(row.rest); ++t) {
      if (!row.rest_trained[t]) continue;
      at.push_back(b * T + begins[b] + std::ssize(row.prompt) + t - 1);
      label.push_back(row.rest[t]);
      whose.push_back(b);
    }
  }
  require(!at.empty(), "depth_loss", "expected at least one trained token");
  const auto on_device = [&](const std::vector<int64_t>& x) { return at::tensor(x, at::kLong).to(model.device()); };
  out.at_N = on_device(at);
  out.label_N = on_device(label);
  out.row_N = on_device(whose);
  TrainingMemory memory(memory_layout(model.config(), depth.recurrences, depth.exit), begins, model.device());
  const at::Tensor x_BTD = model.embed(on_device(ids).view({B, T}));
  out.hidden_BTD = model.forward(x_BTD, memory.open(T), memory, depth, &out.trace);
  return out;
}

at::Tensor trained_logits(const Transformer& model, const DepthPass& pass, const at::Tensor& hidden_BTD) {
  return model.logits(model.final_norm(pass.trained(hidden_BTD))).to(at::kFloat);
}

at::Tensor cross_entropies(const at::Tensor& logits_NV, const DepthPass& pass) {
  return at::cross_entropy_loss(logits_NV, pass.label_N, /*weight=*/{}, at::Reduction::None);
}

LatentLoss answer_loss(const Transformer& model, const std::vector<TrainingRow>& rows, const DepthRun& depth) {
  const DepthPass pass = pass_in_depth(model, rows, depth);
  const at::Tensor logits_NV = trained_logits(model, pass, pass.hidden_BTD);
  LatentLoss out;
  out.total = cross_entropies(logits_NV, pass).mean();
  out.tokens = out.total.item<double>();
  out.accuracy = (logits_NV.argmax(-1) == pass.label_N).to(at::kFloat).mean().item<double>();
  out.positions = pass.positions;
  return out;
}

int64_t drawn_recurrences(Rng& rng, double mean, double deviation) {
  constexpr double at_once = 30;  // that Rng::poisson takes
  int64_t drawn = 1;
  for (double left = mean * std::exp(deviation * rng.normal() - deviation * deviation / 2); left > 0; left -= at_once)
    drawn += rng.poisson(std::min(left, at_once));
  return std::min(drawn, kMostRecurrences);
}

}  // namespace tacit
