// The fast way to the training loss against the plain one.
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <torch/csrc/autograd/autograd.h>

#include <doctest/doctest.h>  // behind the others, one of which has a CHECK of its own

#include "latent/objective.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"
#include "lib/model/checkpoint.h"
#include "lib/model/slots.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

using namespace tacit;

namespace {

const std::vector<std::string> families = {
    "gpt2",         "llama",        "llama_scaled", "gpt_neox",         "gpt_neox_serial", "qwen2",
    "qwen2_window", "qwen3",        "mixtral",      "mixtral_window",   "deepseek_v3",     "deepseek_v3_plain",
    "rwkv7",        "tacit_window", "tacit_rwkv7",  "tacit_log_linear", "universal",       "ouro",
    "huginn",
};

struct Lengths {
  int64_t shortest = 1, longest = 7;  // of prompts
  bool ragged_rest = true;
};

std::vector<TrainingRow> random_rows(uint64_t seed, int64_t latents, int64_t vocabulary, const Lengths& lengths = {},
                                     int64_t count = 3) {
  Rng rng(seed);
  std::vector<TrainingRow> rows(count);
  for (TrainingRow& row : rows) {
    row.latents = latents;
    for (int64_t n = rng.between(lengths.shortest, lengths.longest); n > 0; --n) {
      row.prompt.push_back(rng.below(vocabulary));
    }
    for (int64_t n = lengths.ragged_rest ? rng.between(1, 5) : 4; n > 0; --n) {
      row.rest.push_back(rng.below(vocabulary));
      row.rest_trained.push_back(rng.below(3) > 0 || row.rest.size() == 1);
    }
    row.thought_targets.resize(latents);
    for (auto& target : row.thought_targets) {
      for (int64_t n = rng.below(3); n > 0; --n) target.push_back((n * 5 + rng.below(5)) % vocabulary);
    }
  }
  return rows;
}

// Leaves of `dtype`, but for those that a bf16 model has in fp32.
Transformer with_leaves(const Transformer& model, at::ScalarType dtype) {
  std::map<std::string, at::Tensor> leaves;
  for (const auto& [name, weight] : model.weights()) {
    const auto type = dtype == at::kBFloat16 && slots::kept_in_fp32(name) ? at::kFloat : dtype;
    leaves[name] = weight.detach().to(type).clone().requires_grad_(true);
  }
  return Transformer(model.config(), leaves);
}

struct Outcome {
  LatentLoss loss;
  std::map<std::string, at::Tensor> gradient;  // undefined = none
};

Outcome outcome_of(const Transformer& start, const std::vector<TrainingRow>& rows, const LatentLossOptions& options,
                   at::ScalarType dtype = at::kDouble, int64_t times = 1) {
  const Transformer model = with_leaves(start, dtype);
  Outcome out{latent_loss(model, rows, options), {}};
  for (int64_t i = 0; i < times; ++i) out.loss.total.backward({}, /*retain_graph=*/i + 1 < times);
  for (const auto& [name, leaf] : model.weights()) out.gradient[name] = leaf.grad();
  return out;
}

// The largest difference beside the largest gradient of that weight, or of all where its own is tiny.
void check_equal(const Outcome& got, const Outcome& expected, double tolerance, double tiny = 1e-3) {
  CHECK(got.loss.total.item<double>() == doctest::Approx(expected.loss.total.item<double>()).epsilon(tolerance));
  CHECK(got.loss.tokens == doctest::Approx(expected.loss.tokens).epsilon(tolerance));
  CHECK(got.loss.thoughts == doctest::Approx(expected.loss.thoughts).epsilon(tolerance));
  CHECK(got.loss.accuracy == expected.loss.accuracy);
  CHECK(got.loss.trained_thoughts == expected.loss.trained_thoughts);
  double largest = 0;
  for (const auto& [name, g] : expected.gradient) {
    if (g.defined()) largest = std::max(largest, g.abs().max().item<double>());
  }
  REQUIRE(largest > 1e-6);
  for (const auto& [name, g] : expected.gradient) {
    INFO(name);
    const at::Tensor& other = got.gradient.at(name);
    // An expert that a path leaves out has no gradient or a zero one.
    if (!g.defined() || !other.defined()) {
      CHECK((g.defined() ? g : other.defined() ? other : at::zeros({1})).abs().max().item<double>() == 0);
      continue;
    }
    const double size = std::max(g.abs().max().item<double>(), tiny * largest);
    CHECK((g - other).abs().max().item<double>() <= tolerance * size);
  }
}

void check_ways(const Transformer& model, const std::vector<TrainingRow>& rows, LatentLossOptions options,
                at::ScalarType dtype, double tolerance, double tiny = 1e-3) {
  options.path = TrainingPath::plain;
  const Outcome plain = outcome_of(model, rows, options, dtype);
  options.path = TrainingPath::fast;
  for (const bool recompute : {false, true}) {
    INFO("recompute ", recompute);
    options.recompute = recompute;
    check_equal(outcome_of(model, rows, options, dtype), plain, tolerance, tiny);
  }
}

}  // namespace

TEST_CASE("every family's loss and gradients are the plain path's, thoughts included, in ragged batches") {
  for (const std::string& name : families) {
    INFO(name);
    const auto model = load_model(test::fixture(name), {});
    const int64_t vocabulary = model->config().vocab_size;
    // fp64 but for what a model computes in fp32 whatever its dtype: norms, routing, readouts.
    for (const int64_t latents : {0, 3}) {
      INFO(latents, " thoughts");
      const auto rows = random_rows(11 + static_cast<uint64_t>(latents), latents, vocabulary);
      check_ways(*model, rows, {}, at::kDouble, 2e-5);
      // Where one position's attention is a kernel. Huginn's recurrences enlarge what rounding leaves.
      check_ways(*model, rows, {}, at::kFloat, name == "huginn" ? 1e-2 : 1e-3);
      if (latents > 0) check_ways(*model, rows, {.through_thoughts = false}, at::kDouble, 2e-5);
    }
  }
}

TEST_CASE("fast and plain agree for any number of thoughts, in fp32 and fp64") {
  const auto model = test::tiny_model();
  for (int64_t latents = 0; latents <= 6; ++latents) {
    INFO(latents, " thoughts");
    const auto rows = random_rows(static_cast<uint64_t>(latents), latents, model->config().vocab_size);
    check_ways(*model, rows, {.thought_weight = 0.5}, at::kFloat, 1e-4);
    check_ways(*model, rows, {.thought_weight = 0.5}, at::kDouble, 1e-5);
  }
}

TEST_CASE("fast and plain agree on prompts of one length, of many lengths, and longer than a tile") {
  const auto model = test::tiny_model({.max_positions = 512});
  const int64_t vocabulary = model->config().vocab_size;
  for (const Lengths& lengths : {Lengths{5, 5, false}, Lengths{5, 5, true}, Lengths{1, 12, false},
                                 Lengths{280, 280, false}, Lengths{120, 300, true}}) {
    INFO(lengths.shortest, " to ", lengths.longest);
    check_ways(*model, random_rows(7, 2, vocabulary, lengths), {}, at::kDouble, 1e-5);
  }
}

TEST_CASE("fast and plain agree under teacher forcing") {
  const auto model = test::tiny_model();
  auto rows = random_rows(3, 2, model->config().vocab_size);
  for (TrainingRow& row : rows) row.thought_targets = {{1, 2}, {1, 2, 3}};
  check_ways(*model, rows, {.through_thoughts = false, .teacher_forcing = 0.6}, at::kDouble, 1e-5);
}

TEST_CASE("recomputed passes give the gradients of kept ones bit for bit") {
  for (const std::string name : {"gpt2", "tacit_window", "deepseek_v3"}) {
    INFO(name);
    const auto model = load_model(test::fixture(name), {});
    const auto rows = random_rows(5, 3, model->config().vocab_size);
    const Outcome kept = outcome_of(*model, rows, {}, at::kFloat),
                  again = outcome_of(*model, rows, {.recompute = true}, at::kFloat);
    CHECK(kept.loss.total.item<float>() == again.loss.total.item<float>());
    check_equal(again, kept, 1e-6);
  }
}

TEST_CASE("a retained graph can be run twice, and then gives twice the gradient") {
  const auto model = test::tiny_model();
  const auto rows = random_rows(8, 2, model->config().vocab_size);
  for (const bool recompute : {false, true}) {
    const LatentLossOptions options{.recompute = recompute};
    const Outcome once = outcome_of(*model, rows, options);
    Outcome twice = outcome_of(*model, rows, options, at::kDouble, 2);
    for (auto& [name, g] : twice.gradient) {
      if (g.defined()) g = g / 2;
    }
    check_equal(twice, once, 1e-10);
  }
}

TEST_CASE("a second derivative is refused, and recomputation on the plain path") {
  const auto model = trainable_copy(*test::tiny_model());
  const auto rows = random_rows(8, 1, model->config().vocab_size);
  const at::Tensor loss = latent_loss(*model, rows).total;
  CHECK_THROWS_WITH_AS(
      torch::autograd::grad({loss}, {model->weights().begin()->second}, {}, true, /*create_graph=*/true),
      doctest::Contains("expected first derivatives only"), Error);
  CHECK_THROWS_WITH_AS(latent_loss(*model, rows, {.path = TrainingPath::plain, .recompute = true}),
                       doctest::Contains("expected the fast path"), Error);
}

TEST_CASE("in bf16 the fast path is as near to the true gradients as the plain one") {
  for (const std::string name : {"gpt2", "llama", "tacit_window"}) {
    INFO(name);
    const auto model = load_model(test::fixture(name), {});
    std::map<std::string, at::Tensor> weights = model->weights();
    for (auto& [_, weight] : weights) weight = weight.to(at::kBFloat16).to(at::kDouble);
    const Transformer rounded(model->config(), weights);
    double plain = 0, fast = 0, again = 0;
    std::map<std::string, double> plain_of, fast_of, size_of;  // squares, by weight
    constexpr uint64_t kBatches = 8;                           // one alone may fall either way
    for (uint64_t seed = 20; seed < 20 + kBatches; ++seed) {
      const auto rows = random_rows(seed, 2, model->config().vocab_size);
      const Outcome truth = outcome_of(rounded, rows, {.path = TrainingPath::plain}, at::kDouble);
      // The length of what the gradients of all weights are off by, beside the length of the true ones.
      const auto error = [&](const LatentLossOptions& options, std::map<std::string, double>* of) {
        const Outcome got = outcome_of(rounded, rows, options, at::kBFloat16);
        CHECK(got.loss.total.item<double>() == doctest::Approx(truth.loss.total.item<double>()).epsilon(0.02));
        double off = 0, size = 0;
        for (const auto& [weight, g] : truth.gradient) {
          if (!g.defined()) continue;
          const double own = (got.gradient.at(weight).to(at::kDouble) - g).square().sum().item<double>();
          off += own;
          if (of) (*of)[weight] += own;
          size += g.square().sum().item<double>();
        }
        return std::sqrt(off / size) / kBatches;
      };
      plain += error({.path = TrainingPath::plain}, &plain_of);
      fast += error({.path = TrainingPath::fast}, &fast_of);
      again += error({.path = TrainingPath::fast, .recompute = true}, nullptr);
      for (const auto& [weight, g] : truth.gradient) {
        if (g.defined()) size_of[weight] += g.square().sum().item<double>();
      }
    }
    CHECK(plain < 0.15);
    CHECK(fast < 1.25 * plain);
    CHECK(again < 1.25 * plain);
    double largest = 0;
    for (const auto& [_, size] : size_of) largest = std::max(largest, size);
    for (const auto& [weight, size] : size_of) {  // a key's bias has a gradient of 0, but for rounding
      INFO(weight);
      const double tiny = 0.02 * std::sqrt(largest);
      CHECK(std::sqrt(fast_of[weight]) <= 1.5 * std::sqrt(plain_of[weight]) + 0.01 * std::max(std::sqrt(size), tiny));
    }
  }
}

namespace {

// Bytes of tensors alive on this thread, and the most there were.
struct CountedBytes : c10::MemoryReportingInfoBase {
  int64_t now = 0, peak = 0;
  void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
    now += bytes;
    peak = std::max(peak, now);
  }
  bool memoryProfilingEnabled() const override { return true; }
};

int64_t peak_bytes(const Transformer& model, const std::vector<TrainingRow>& rows, const LatentLossOptions& options) {
  const Transformer leaves = with_leaves(model, at::kFloat);
  const auto counted = std::make_shared<CountedBytes>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, counted);
  latent_loss(leaves, rows, options).total.backward();
  return counted->peak;
}

}  // namespace

TEST_CASE("with recomputation a thought costs its vectors, keys and values, and no activations") {
  const test::TinyModelOptions size{.hidden_size = 64, .layers = 4, .smeared_keys = false};
  const auto model = test::tiny_model(size);
  const auto bytes_of = [&](int64_t thoughts, bool recompute) {
    auto rows = random_rows(2, thoughts, size.vocab_size, {.shortest = 24, .longest = 24, .ragged_rest = false}, 4);
    for (TrainingRow& row : rows) row.thought_targets.clear();
    return peak_bytes(*model, rows, {.recompute = recompute});
  };
  // The difference is a whole number of what waits for one product of a weight's gradient (192 rows).
  const int64_t few = 60, many = 156, vector = 4 * 4 * size.hidden_size;  // rows, bytes of a float
  // Keys, values and their gradients; the thought before and after the norm, where thoughts are joined, with gradients.
  const int64_t most = vector * (4 * size.layers + 12);
  const int64_t again = (bytes_of(many, true) - bytes_of(few, true)) / (many - few);
  const int64_t kept = (bytes_of(many, false) - bytes_of(few, false)) / (many - few);
  INFO(again, " bytes a thought recomputed, ", kept, " kept");
  CHECK(again <= most);
  CHECK(kept > 2 * most);  // which the bound would notice
}
