// Latent attention, which looks among the stored latents, against the form that makes every head's keys and values.
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "lib/memory/inference_memory.h"
#include "lib/memory/training_memory.h"
#include "lib/model/memory_layout.h"
#include "lib/model/rotary.h"
#include "lib/model/sublayer.h"

using namespace tacit;

namespace {

constexpr int64_t kLatentRows = 2, kTokens = 7, kLatentHeads = 3, kPlain = 4, kRotated = 6, kValue = 5, kRank = 8;

ModelConfig config_of(int64_t query_rank, bool bias, double scale) {
  ModelConfig c;
  c.hidden_size = 12;
  c.layers = 1;
  c.heads = kLatentHeads;
  c.max_positions = 32;
  c.rotary = {.theta = 100, .interleaved = true, .size = kRotated};
  c.qkv_bias = c.out_bias = bias;
  c.attention_scale = scale;
  c.latent_attention = {
      .query_rank = query_rank, .kv_rank = kRank, .plain_size = kPlain, .rotated_size = kRotated, .value_size = kValue};
  c.per_layer = {{.mixer = MixerKind::latent_attention}};
  return c;
}

struct Subject {
  ModelConfig config;
  std::map<std::string, at::Tensor> weights;
  std::unique_ptr<Sublayer> attention;
  RotaryTable table;

  explicit Subject(const ModelConfig& c) : config(c), table(rotary_table(c.rotary, c.max_positions)) {
    attention = make_latent_attention(c, [&](const std::string& name, const std::vector<int64_t>& shape) {
      return weights[name] = (at::randn(shape) * 0.5).requires_grad_(true);
    });
  }
  at::Tensor operator()(const at::Tensor& x_BTD, const at::Tensor& position_BT, Memory& memory) const {
    Pass pass{.memory = memory, .position_BT = position_BT};
    pass.cos_B1TE = at::embedding(table.cos_PE, position_BT).unsqueeze(1);
    pass.sin_B1TE = at::embedding(table.sin_PE, position_BT).unsqueeze(1);
    return (*attention)(x_BTD, 0, pass);
  }
  at::Tensor linear(const std::string& name, const at::Tensor& x) const {
    const auto bias = weights.find(name + ".bias");
    return at::linear(x, weights.at(name + ".weight"), bias == weights.end() ? at::Tensor() : bias->second);
  }
  at::Tensor norm(const std::string& name, const at::Tensor& x) const {
    return x * at::rsqrt(x.square().mean(-1, true) + 1e-6) * weights.at(name + ".weight");
  }
};

// Neighbouring dimensions as complex numbers, turned by position x theta^(-2i/size).
at::Tensor turned(const at::Tensor& x_BHTE, double theta) {
  const int64_t tokens = x_BHTE.size(2), pairs = x_BHTE.size(3) / 2;
  const at::Tensor frequency = at::pow(theta, at::arange(pairs, at::kFloat) / -static_cast<double>(pairs));
  const at::Tensor angle = at::outer(at::arange(tokens, at::kFloat), frequency);
  const at::Tensor turn = at::polar(at::ones_like(angle), angle);
  return at::view_as_real(at::view_as_complex(x_BHTE.unflatten(3, {pairs, 2}).contiguous()) * turn).flatten(3);
}

// [arXiv:2405.04434, equations 37 to 47]
at::Tensor obvious(const Subject& s, const at::Tensor& x_BTD) {
  const at::Tensor q = s.config.latent_attention.query_rank > 0
                           ? s.linear("query_up", s.norm("query_norm", s.linear("query_down", x_BTD)))
                           : s.linear("query", x_BTD);
  const at::Tensor q_BHTE = q.unflatten(2, {kLatentHeads, -1}).transpose(1, 2);
  const at::Tensor down = s.linear("kv_down", x_BTD);
  const at::Tensor up = s.linear("kv_up", s.norm("kv_norm", down.narrow(2, 0, kRank)));
  const at::Tensor up_BHTE = up.unflatten(2, {kLatentHeads, -1}).transpose(1, 2);
  const at::Tensor k_rotated = turned(down.narrow(2, kRank, kRotated).unsqueeze(1), s.config.rotary.theta);
  const at::Tensor k = at::cat({up_BHTE.narrow(3, 0, kPlain), k_rotated.expand({-1, kLatentHeads, -1, -1})}, 3);
  const at::Tensor q_rotated = turned(q_BHTE.narrow(3, kPlain, kRotated), s.config.rotary.theta);
  const at::Tensor queries = at::cat({q_BHTE.narrow(3, 0, kPlain), q_rotated}, 3);
  const double scale =
      s.config.attention_scale > 0 ? s.config.attention_scale : 1 / std::sqrt(static_cast<double>(kPlain + kRotated));
  const at::Tensor later = at::ones({x_BTD.size(1), x_BTD.size(1)}, at::kBool).triu(1);
  const at::Tensor scores =
      (at::matmul(queries, k.transpose(2, 3)) * scale).masked_fill(later, -std::numeric_limits<double>::infinity());
  const at::Tensor found = at::matmul(scores.softmax(-1), up_BHTE.narrow(3, kPlain, kValue));
  return s.linear("out", found.transpose(1, 2).flatten(2));
}

std::map<std::string, at::Tensor> gradients(Subject& subject, const at::Tensor& out) {
  for (auto& [name, weight] : subject.weights) weight.mutable_grad() = at::Tensor();
  (out * at::arange(out.numel(), at::kFloat).view_as(out).sin()).sum().backward();
  std::map<std::string, at::Tensor> result;
  for (const auto& [name, weight] : subject.weights) result[name] = weight.grad();
  return result;
}

const std::vector<ModelConfig> kConfigs = {config_of(0, false, 0), config_of(7, false, 0), config_of(7, true, 0.6)};

}  // namespace

TEST_CASE("latent attention finds what attention with every head's keys and values finds, gradients included") {
  at::manual_seed(1);
  for (const ModelConfig& c : kConfigs) {
    Subject subject(c);
    const at::Tensor x = at::randn({kLatentRows, kTokens, c.hidden_size});
    const std::vector<int64_t> begins(kLatentRows, 0);
    TrainingMemory memory(memory_layout(c), begins, at::kCPU);
    std::vector<at::Tensor> parts;
    int64_t column = 0;
    for (const int64_t width : {4, 1, 2}) {
      const at::Tensor position = memory.open(width);
      parts.push_back(subject(x.narrow(1, column, width), position, memory));
      memory.close();
      column += width;
    }
    const at::Tensor got = at::cat(parts, 1), expected = obvious(subject, x);
    CHECK(at::allclose(got, expected, 1e-4, 1e-5));
    const auto got_gradients = gradients(subject, got), expected_gradients = gradients(subject, expected);
    for (const auto& [name, gradient] : expected_gradients) {
      CAPTURE(name);
      CHECK(at::allclose(got_gradients.at(name), gradient, 1e-3, 1e-4));
    }
  }
}

TEST_CASE("the inference memory keeps latents and rotated keys only, row by row") {
  const at::NoGradGuard no_grad;
  at::manual_seed(2);
  for (const ModelConfig& c : kConfigs) {
    const Subject subject(c);
    const int64_t capacity = 9;
    InferenceMemory memory({.layout = memory_layout(c), .rows = kLatentRows, .capacity = capacity});
    CHECK(memory.bytes_per_row() == 4 * (kRank + kRotated) * (capacity + 1));  // a column for padding
    const at::Tensor x = at::randn({kLatentRows, kTokens, c.hidden_size}), expected = obvious(subject, x);
    std::vector<int64_t> fed(kLatentRows, 0);
    const std::vector<std::vector<int64_t>> segments = {{3, 1}, {1, 1}, {0, 4}, {3, 1}};
    for (const std::vector<int64_t>& counts : segments) {
      const int64_t width = *std::ranges::max_element(counts);
      at::Tensor segment = at::full({kLatentRows, width, c.hidden_size}, 1e3);  // padding
      for (int64_t b = 0; b < kLatentRows; ++b) {
        segment[b].narrow(0, 0, counts[b]).copy_(x[b].narrow(0, fed[b], counts[b]));
      }
      const at::Tensor found = subject(segment, memory.open(counts, width, "test"), memory);
      memory.close();
      for (int64_t b = 0; b < kLatentRows; ++b) {
        CHECK(at::allclose(found[b].narrow(0, 0, counts[b]), expected[b].narrow(0, fed[b], counts[b]), 1e-4, 1e-5));
        fed[b] += counts[b];
      }
    }
  }
}
