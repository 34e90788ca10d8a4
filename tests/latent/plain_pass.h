#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "datasets/reach.h"
#include "latent/method.h"
#include "latent/thought_head.h"
#include "latent/unroll.h"
#include "lib/memory/training_memory.h"
#include "lib/model/memory_layout.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

// Methods said again without memories, batches or padding: one sequence at a time, computed from its beginning whenever
// something is asked of it.
namespace tacit::test {

// What stands behind every block at every position of x [T, D], the last after the final norm; without it, `raw`.
struct PlainPass {
  std::vector<at::Tensor> layers_TD;
  at::Tensor raw_TD, normed_TD;

  PlainPass(const Transformer& model, const at::Tensor& x_TD) {
    TrainingMemory memory(memory_layout(model.config()), std::vector<int64_t>{0}, at::kCPU);
    DepthTrace trace{.keep_layers = true};
    raw_TD = model.forward(x_TD.unsqueeze(0), memory.open(x_TD.size(0)), memory, {}, &trace)[0];
    for (const at::Tensor& x : trace.layer_BTD) layers_TD.push_back(x[0]);
    normed_TD = model.final_norm(raw_TD);
    layers_TD.back() = normed_TD;
  }
  at::Tensor last() const { return normed_TD[normed_TD.size(0) - 1]; }
};

inline at::Tensor embedded(const Transformer& model, const std::vector<int64_t>& tokens) {
  return model.embed(at::tensor(tokens, at::kLong));
}

// Sum and number of the cross entropies of rest tokens that are trained, behind the inputs x [T, D].
struct PlainTokens {
  at::Tensor sum;
  int64_t count = 0;
  PlainPass pass;

  PlainTokens(const Transformer& model, const at::Tensor& x_TD, const TrainingRow& row)
      : pass(model, at::cat({x_TD, embedded(model, row.rest)})) {
    sum = at::zeros({});
    for (size_t t = 0; t < row.rest.size(); ++t) {
      if (!row.rest_trained[t]) continue;
      const at::Tensor log_p = at::log_softmax(model.logits(pass.normed_TD[x_TD.size(0) - 1 + t]), -1);
      sum = sum - log_p[row.rest[t]];
      ++count;
    }
  }
};

// Two problems of different length, and what a method's loss is made from.
struct TinyProblem {
  MethodSettings settings{.latents = 2, .markers = {.think = "[T]", .answer = "[A]", .pause = "[P]", .end = "[E]"}};
  std::shared_ptr<const Tokenizer> tokenizer{make_word_tokenizer(reach_vocabulary(10))};
  std::vector<Example> examples{2};
  int64_t stage = 0;

  TinyProblem(const std::string& name, const Json& given) {
    settings.method = name;
    settings.options = method_options(method(name), given, "test");
    examples[0].question = "5 7 | 7 9 | 5 2 | [Q] 9 3 [R] 5";
    examples[0].steps = {"7", "9"};
    examples[0].answer = "9";
    examples[1].question = "1 2 | [Q] 2 3 [R] 1";
    examples[1].steps = {"2"};
    examples[1].answer = "2";
  }
  ObjectiveContext context() const { return {settings, *tokenizer, settings.latents, stage}; }
  std::vector<TrainingRow> rows() const {
    std::vector<TrainingRow> out;
    for (const Example& example : examples) out.push_back(method(settings.method).row(example, context()));
    return out;
  }
  // Leaves with gradient.
  MethodWeights weights(const Transformer& model) const {
    ObjectiveContext with_model = context();
    with_model.start = &model;
    MethodWeights out = method(settings.method).weights(model.config(), with_model, /*seed=*/3);
    for (auto& [key, weight] : out) weight = (weight + 0.01).detach().set_requires_grad(true);
    return out;
  }
  LatentLoss loss(const Transformer& model, const MethodWeights& weights, const LatentLossOptions& options = {}) const {
    const std::vector<TrainingRow> made = rows();
    return method(settings.method).loss({model, weights, made, examples, context(), options});
  }
  Procedure procedure(const MethodWeights& weights) const {
    return bind_method(method(settings.method), settings, tokenizer.get(), -1, weights);
  }
};

inline std::map<std::string, at::Tensor> all_gradients(const Transformer& model, const MethodWeights& weights) {
  std::map<std::string, at::Tensor> out;
  for (const auto& [name, weight] : model.weights()) {
    if (weight.grad().defined()) out["model/" + name] = weight.grad().clone();
  }
  for (const auto& [name, weight] : weights) {
    if (weight.grad().defined()) out["method/" + name] = weight.grad().clone();
  }
  return out;
}

inline void clear_gradients(const Transformer& model, const MethodWeights& weights) {
  for (auto [name, weight] : model.weights()) weight.mutable_grad() = at::Tensor();
  for (auto [name, weight] : weights) weight.mutable_grad() = at::Tensor();
}

// Gradients of both, of like size where they are more than rounding.
inline bool same_gradients(const std::map<std::string, at::Tensor>& got,
                           const std::map<std::string, at::Tensor>& expected, std::string& worst) {
  for (const auto& [name, gradient] : expected) {
    const double size = gradient.abs().max().item<double>();
    const at::Tensor other = got.contains(name) ? got.at(name) : at::zeros_like(gradient);
    if ((other - gradient).abs().max().item<double>() > 1e-7 + 2e-4 * size) {
      worst = name;
      return false;
    }
  }
  for (const auto& [name, gradient] : got) {
    if (!expected.contains(name) && gradient.abs().max().item<double>() > 1e-7) {
      worst = name;
      return false;
    }
  }
  return true;
}

}  // namespace tacit::test
