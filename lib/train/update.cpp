#include "lib/train/update.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>

#include "lib/core/error.h"

namespace tacit {
namespace {

void add(Figures& sum, const Figures& part, double weight) {
  for (const auto& [name, value] : part) {
    auto found = std::find_if(sum.begin(), sum.end(), [&](const auto& f) { return f.first == name; });
    if (found == sum.end()) {
      sum.emplace_back(name, value * weight);
    } else {
      found->second += value * weight;
    }
  }
}

// CBOR, since JSON's text has no NaN.
std::string packed(const Update& update) {
  const Json json = {{"loss", update.loss}, {"tokens", update.tokens}, {"figures", update.figures}};
  const std::vector<uint8_t> bytes = Json::to_cbor(json);
  return {bytes.begin(), bytes.end()};
}

Update unpacked(const std::string& bytes) {
  const Json json = Json::from_cbor(bytes);
  Update out;
  out.loss = json["loss"];
  out.tokens = json["tokens"];
  out.figures = json["figures"].get<Figures>();
  return out;
}

// The sum over all processes, taken by each in the order of the ranks.
Update sum_over(const Update& mine, DataParallel& ranks, const std::string& what) {
  if (ranks.size() == 1) return mine;
  Update out;
  for (const std::string& bytes : ranks.gather(packed(mine), what)) {
    const Update part = unpacked(bytes);
    out.loss += part.loss;
    out.tokens += part.tokens;
    add(out.figures, part.figures, 1);
  }
  return out;
}

// In one flat buffer, behind it how many processes have a gradient of each leaf: one that none has stays without.
void sum_gradients(const TensorMap& leaves, DataParallel& ranks, const std::string& what) {
  if (ranks.size() == 1 || leaves.empty()) return;
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> parts;
  std::vector<float> has;
  for (const auto& [name, leaf] : leaves) {
    const at::Tensor& gradient = leaf.grad();
    has.push_back(gradient.defined() ? 1 : 0);
    parts.push_back((gradient.defined() ? gradient : at::zeros_like(leaf.detach())).to(at::kFloat).flatten());
  }
  parts.push_back(at::tensor(has, at::kFloat).to(parts[0].device()));
  at::Tensor flat = at::cat(parts);
  ranks.sum(flat, what);
  const at::Tensor found = flat.narrow(0, flat.numel() - static_cast<int64_t>(has.size()), has.size()).to(at::kCPU);
  int64_t begin = 0, i = 0;
  for (const auto& [name, leaf] : leaves) {
    if (found[i++].item<float>() > 0) leaf.mutable_grad() = flat.narrow(0, begin, leaf.numel()).view(leaf.sizes());
    begin += leaf.numel();
  }
}

}  // namespace

Figures mean_figures(const Figures& figures, DataParallel& ranks, const std::string& what) {
  if (ranks.size() == 1) return figures;
  Update mine;
  add(mine.figures, figures, 1.0 / static_cast<double>(ranks.size()));
  return sum_over(mine, ranks, what).figures;
}

Update run_update(const TrainedWeights& weights, const TrainingProblem& problem, const TrainerOptions& options,
                  AdamW& optimizer, DataParallel& ranks, int64_t step) {
  Update mine;
  optimizer.zero_grad();
  const double share = 1.0 / static_cast<double>(options.micro_batches());
  for (int64_t micro = 0; micro < options.accumulate; ++micro) {
    const auto model = weights.model();
    const int64_t number = micro * ranks.size() + ranks.rank();
    std::optional<MicroBatch> batch;
    if (problem.loss_and_gradient) batch = problem.loss_and_gradient(*model, step, number, {options.bf16, share});
    if (!batch) {
      batch = problem.loss(options.bf16 ? *in_bf16(*model) : *model, step, number);
      const at::Tensor& loss = batch->loss;
      require(loss.defined() && loss.numel() == 1 && loss.requires_grad(), "train",
              "expected the loss to be one number with a gradient but got ",
              !loss.defined()         ? std::string("none")
              : !loss.requires_grad() ? std::string("one without")
                                      : shape_text(loss.sizes()));
      (batch->loss * share).backward();
    }
    mine.loss += batch->loss.item<double>() * share;
    mine.tokens += batch->tokens;
    add(mine.figures, batch->figures, share);
  }
  const std::string of_step = " of step " + std::to_string(step + 1);
  Update out = sum_over(mine, ranks, "the losses" + of_step);
  require(std::isfinite(out.loss), "train", "expected a finite loss but got ", out.loss, " at step ", step + 1,
          "; lower the learning rate or check the data");
  sum_gradients(weights.leaves(), ranks, "the sum of the gradients" + of_step);
  out.gradient_norm = clip_gradients(weights.leaves(), options.clip);
  require(std::isfinite(out.gradient_norm), "train", "expected a finite gradient but got a norm of ", out.gradient_norm,
          " at step ", step + 1, "; lower the learning rate");
  optimizer.step(options.learning_rate * options.schedule.factor(step));
  return out;
}

}  // namespace tacit
