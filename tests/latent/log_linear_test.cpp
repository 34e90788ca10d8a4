#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include "latent/session.h"
#include "lib/core/error.h"
#include "lib/memory/inference_memory.h"
#include "lib/memory/training_memory.h"
#include "lib/model/memory_layout.h"
#include "lib/model/sublayer.h"
#include "tests/latent/state_layers_support.h"

using namespace tacit;
using namespace tacit::test;

namespace {

// The level at which position t sees position s <= t.
int64_t bucket(int64_t t, int64_t s) {
  if (s == t) return 0;
  int64_t end = 0;
  for (int64_t level = 62; level > 0; --level) {
    if (!(t >> (level - 1) & 1)) continue;
    end += int64_t{1} << (level - 1);
    if (s < end) return level;
  }
  return -1;
}

// One layer of log-linear attention and its weights.
struct LogLinearLayer {
  ModelConfig config = read(hybrid_config({"log_linear"}));
  std::map<std::string, at::Tensor> weights;
  std::unique_ptr<Sublayer> layer = make_log_linear(config, [&](const std::string& name, at::IntArrayRef shape) {
    return weights[name] = at::randn(shape, at::kDouble) * 0.4;
  });

  // The definition: a sum over all pairs of positions. x [T, D]
  at::Tensor by_pairs(const at::Tensor& x_TD) const {
    const auto linear = [&](const std::string& name) {
      const auto bias = weights.find(name + ".bias");
      return at::linear(x_TD, weights.at(name + ".weight"), bias == weights.end() ? at::Tensor() : bias->second)
          .unflatten(1, {kHeads, -1});
    };
    const at::Tensor q = linear("query"), k = linear("key"), v = linear("value"),
                     decay = -at::softplus(linear("decay")), level = at::softplus(linear("levels"));
    at::Tensor out = at::zeros_like(v);
    for (int64_t t = 0; t < x_TD.size(0); ++t) {
      for (int64_t s = 0; s <= t; ++s) {
        const at::Tensor kept_H1 = decay.narrow(0, s + 1, t - s).sum(0).exp();
        const at::Tensor score_H1 = (q[t] * k[s]).sum(1, true) / std::sqrt(static_cast<double>(kHeadSize));
        out[t] += level[t].select(1, bucket(t, s)).unsqueeze(1) * kept_H1 * score_H1 * v[s];
      }
    }
    const at::Tensor scale = at::rsqrt(out.square().mean(2, true) + config.norm_eps);
    return at::linear((out * scale * weights.at("out_norm.weight")).flatten(1), weights.at("out.weight"));
  }
};

}  // namespace

TEST_CASE("log-linear attention, recurrent, is the sum over pairs, whatever the pieces") {
  at::set_num_threads(1);
  at::manual_seed(11);
  const LogLinearLayer attention;
  const at::Tensor x_2TD = at::randn({2, 40, kHidden}, at::kDouble);
  const std::vector<int64_t> lengths = {40, 23};
  std::vector<at::Tensor> expected;
  for (int64_t b = 0; b < 2; ++b) expected.push_back(attention.by_pairs(x_2TD[b].narrow(0, 0, lengths[b])));

  SUBCASE("at once, padded on the left") {
    const std::vector<int64_t> begins = {0, 17};
    TrainingMemory memory(memory_layout(attention.config), begins, at::kCPU);
    const at::Tensor aligned = at::stack({x_2TD[0], x_2TD[1].roll({17}, {0})});
    Pass pass{.memory = memory, .position_BT = memory.open(40)};
    const at::Tensor out = (*attention.layer)(aligned, 0, pass);
    for (int64_t b = 0; b < 2; ++b) CHECK(relative_error(out[b].narrow(0, begins[b], lengths[b]), expected[b]) < 1e-6);
  }
  SUBCASE("in ragged pieces, padded on the right") {
    InferenceMemory memory({.layout = memory_layout(attention.config), .rows = 2, .capacity = 64});
    Rng rng(4);
    while (memory.lengths() != lengths) {
      std::vector<int64_t> begins = memory.lengths(), counts;
      for (int64_t b = 0; b < 2; ++b) counts.push_back(std::min(rng.below(5), lengths[b] - begins[b]));
      const int64_t width = std::max<int64_t>(1, *std::ranges::max_element(counts));
      at::Tensor x = at::randn({2, width, kHidden}, at::kDouble);
      for (int64_t b = 0; b < 2; ++b) x[b].narrow(0, 0, counts[b]).copy_(x_2TD[b].narrow(0, begins[b], counts[b]));
      Pass pass{.memory = memory, .position_BT = memory.open(counts, width, "test")};
      const at::Tensor out = (*attention.layer)(x, 0, pass);
      memory.close();
      for (int64_t b = 0; b < 2; ++b) {
        if (counts[b] == 0) continue;
        // Between segments the state is kept in fp32.
        CHECK(relative_error(out[b].narrow(0, 0, counts[b]), expected[b].narrow(0, begins[b], counts[b])) < 1e-5);
      }
    }
  }
}

TEST_CASE("log-linear attention finds the same in segments longer than it runs at once") {
  const auto model = model_of(hybrid_config({"log_linear", "log_linear"}, 512));
  Rng rng(6);
  TokenRows prompts(2);
  for (int64_t n = 0; n < 300; ++n) {
    prompts[0].push_back(rng.below(kVocabulary));
    if (n < 140) prompts[1].push_back(prompts[0].back());
  }
  Session whole(model, {.rows = 2, .capacity = 400}), pieces(model, {.rows = 2, .capacity = 400});
  whole.prefill(prompts);
  for (size_t begin = 0; begin < 300; begin += 50) {
    TokenRows piece(2);
    for (size_t b = 0; b < 2; ++b) {
      const size_t size = prompts[b].size(), from = std::min(begin, size), to = std::min(begin + 50, size);
      piece[b].assign(prompts[b].begin() + static_cast<int64_t>(from), prompts[b].begin() + static_cast<int64_t>(to));
    }
    pieces.feed(piece);
  }
  CHECK(relative_error(whole.think({.max_steps = 3, .keep_trace = true}).trace_BKD,
                       pieces.think({.max_steps = 3, .keep_trace = true}).trace_BKD) < kFp32Near);
}

TEST_CASE("log-linear attention refuses a position that its levels do not reach") {
  const LogLinearLayer attention;  // 7 levels
  const std::vector<int64_t> begin = {0};
  TrainingMemory memory(memory_layout(attention.config), begin, at::kCPU);
  memory.open(1);
  const at::Tensor x = at::randn({1, 1, kHidden}, at::kDouble);
  Pass last{.memory = memory, .position_BT = at::full({1, 1}, 63, at::kLong)},
      beyond{.memory = memory, .position_BT = at::full({1, 1}, 64, at::kLong)};
  CHECK_NOTHROW((*attention.layer)(x, 0, last));
  CHECK_THROWS_WITH_AS((*attention.layer)(x, 0, beyond),
                       doctest::Contains("[log_linear] expected positions below 64 (7 levels) but got 64"), Error);
}
