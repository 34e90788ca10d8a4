#pragma once

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>  // behind the others, one of which has a CHECK of its own

#include "latent/graphed_loss.h"
#include "lib/core/rng.h"
#include "lib/model/slots.h"

// Updates that are recorded and replayed, held to latent_loss() and backward().
namespace tacit::test {

struct GraphedCheck {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kDouble;  // of the leaves
  GradientOptions options;
  double loss_tolerance = 1e-6, gradient_tolerance = 1e-6;  // relative; the second to the length of all gradients
  std::function<std::unique_ptr<WorkRecorder>()> recorder;
};

struct RowLengths {
  int64_t shortest = 1, longest = 10;  // of prompts
};

inline std::vector<TrainingRow> rows_of_lengths(uint64_t seed, int64_t latents, int64_t vocabulary,
                                                const RowLengths& lengths, int64_t count = 3) {
  Rng rng(seed);
  std::vector<TrainingRow> rows(count);
  for (TrainingRow& row : rows) {
    row.latents = latents;
    for (int64_t n = rng.between(lengths.shortest, lengths.longest); n > 0; --n)
      row.prompt.push_back(rng.below(vocabulary));
    for (int64_t n = rng.between(1, 5); n > 0; --n) {
      row.rest.push_back(rng.below(vocabulary));
      row.rest_trained.push_back(rng.below(3) > 0 || row.rest.size() == 1);
    }
  }
  return rows;
}

inline std::shared_ptr<Transformer> leaves_on(const Transformer& model, const GraphedCheck& check) {
  std::map<std::string, at::Tensor> leaves;
  for (const auto& [name, weight] : model.weights())
    leaves[name] = weight.detach().to(check.device, check.dtype).clone().requires_grad_(true);
  return std::make_shared<Transformer>(model.config(), std::move(leaves));
}

inline void forget_gradients(const Transformer& model) {
  for (const auto& [name, leaf] : model.weights()) leaf.mutable_grad() = at::Tensor();
}

// The eager way to the same.
inline LatentLoss launched(const Transformer& model, const std::vector<TrainingRow>& rows,
                           const GradientOptions& options) {
  LatentLoss loss = latent_loss(options.bf16 ? *in_bf16(model) : model, rows);
  (loss.total * options.share).backward();
  return loss;
}

// Of weights rounded to bf16: each gradient is a number of bf16.
inline void check_rounded_gradients(const Transformer& model) {
  for (const auto& [name, leaf] : model.weights()) {
    if (!leaf.grad().defined() || slots::kept_in_fp32(name)) continue;
    CAPTURE(name);
    CHECK(at::equal(leaf.grad(), leaf.grad().to(at::kBFloat16).to(leaf.scalar_type())));
  }
}

inline void check_same_gradients(const Transformer& got, const Transformer& want, double tolerance) {
  double off = 0, length = 0;
  for (const auto& [name, leaf] : want.weights()) {
    if (leaf.grad().defined()) length += leaf.grad().to(at::kDouble).square().sum().item<double>();
  }
  for (const auto& [name, leaf] : want.weights()) {
    CAPTURE(name);
    const at::Tensor expected = leaf.grad(), found = got.weights().at(name).grad();
    REQUIRE(found.defined() == expected.defined());
    if (!expected.defined()) continue;
    REQUIRE(found.strides() == expected.strides());  // as the optimiser wants it
    // Each weight's by itself, more loosely. That of a key's bias is 0 but for rounding.
    const double size = std::max(expected.to(at::kDouble).square().sum().item<double>(), 1e-3 * length);
    const double own = (found - expected).to(at::kDouble).square().sum().item<double>();
    CHECK(own <= 9 * tolerance * tolerance * size);
    off += own;
  }
  CHECK(length > 0);
  CHECK(std::sqrt(off / length) <= tolerance);
}

// Updates of two shapes in turn, each with prompts of other lengths, from one set of weights on; `accumulate`
// micro-batches an update, of both shapes.
inline void check_graphed(const Transformer& start, int64_t latents, const GraphedCheck& check,
                          int64_t accumulate = 1) {
  const std::shared_ptr<Transformer> replaying = leaves_on(start, check), launching = leaves_on(start, check);
  GraphedLoss graphed(check.recorder());
  const std::vector<RowLengths> lengths = {{1, 10}, {4, 16}, {17, 20}, {2, 9}, {18, 24}, {17, 19}, {1, 16}, {3, 23}};
  uint64_t seed = 40;
  for (size_t update = 0; update < lengths.size(); ++update) {
    CAPTURE(update);
    forget_gradients(*replaying);
    forget_gradients(*launching);
    for (int64_t micro = 0; micro < accumulate; ++micro) {
      const RowLengths& of = lengths[(update + static_cast<size_t>(micro) / 2) % lengths.size()];
      const auto rows = rows_of_lengths(++seed, latents, start.config().vocab_size, of);
      const std::optional<LatentLoss> got = graphed.run(*replaying, rows, {}, check.options);
      REQUIRE(got.has_value());
      const LatentLoss want = launched(*launching, rows, check.options);
      CHECK(got->tokens == doctest::Approx(want.tokens).epsilon(check.loss_tolerance));
      CHECK(got->total.item<double>() == doctest::Approx(want.tokens).epsilon(check.loss_tolerance));
      if (!check.options.bf16) CHECK(got->accuracy == doctest::Approx(want.accuracy).epsilon(1e-6));
      CHECK(got->positions == want.positions);
      if (check.options.bf16 && check.options.share == 1 && micro == 0) check_rounded_gradients(*replaying);
    }
    check_same_gradients(*replaying, *launching, check.gradient_tolerance);
    const at::NoGradGuard no_grad;  // the next update's weights are others, in the same place
    for (const auto& [name, leaf] : launching->weights()) {
      if (leaf.grad().defined()) leaf.sub_(leaf.grad(), 0.1);
      replaying->weights().at(name).copy_(leaf);
    }
  }
  CHECK(graphed.recorded() >= 2);
  CHECK(graphed.replayed() >= 4);
}

}  // namespace tacit::test
