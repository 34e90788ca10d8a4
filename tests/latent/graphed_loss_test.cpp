// Recorded updates on the CPU, where to replay is to run again what was recorded.
#include "latent/graphed_loss.h"

#include "lib/core/error.h"
#include "lib/model/checkpoint.h"
#include "tests/latent/graphed_loss_checks.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

namespace tacit::test {
namespace {

// A device's recorder as far as the work can tell: it is called without being told what its tensors will hold.
class RunsAgain : public WorkRecorder {
 public:
  void run(const std::function<void()>& work) override { work(); }
  std::unique_ptr<RecordedWork> record(const std::function<void()>& work) override {
    struct Again : RecordedWork {
      explicit Again(std::function<void()> w) : work(std::move(w)) {}
      void replay() override { work(); }
      std::function<void()> work;
    };
    return std::make_unique<Again>(work);
  }
};

std::unique_ptr<WorkRecorder> runs_again() { return std::make_unique<RunsAgain>(); }

TEST_CASE("replayed updates have the losses and gradients of launched ones, whatever the prompts' lengths") {
  for (const std::string name : {"gpt2", "llama", "llama_scaled", "gpt_neox", "gpt_neox_serial", "qwen2",
                                 "qwen2_window", "qwen3", "tacit_window", "universal"}) {
    CAPTURE(name);
    const auto model = load_model(fixture(name), {});
    for (const int64_t latents : {0, 3}) {
      CAPTURE(latents);
      check_graphed(*model, latents, {.gradient_tolerance = 1e-5, .recorder = runs_again});
    }
  }
  check_graphed(*tiny_model(), 2, {.gradient_tolerance = 1e-5, .recorder = runs_again});
}

TEST_CASE("replayed micro-batches add up, shares of the loss included") {
  for (const int64_t accumulate : {2, 3, 4}) {
    CAPTURE(accumulate);
    const GradientOptions options{.share = 1.0 / static_cast<double>(accumulate)};
    check_graphed(*tiny_model(), 2, {.options = options, .gradient_tolerance = 1e-5, .recorder = runs_again},
                  accumulate);
  }
}

TEST_CASE("replayed updates round weights to bf16 as launched ones do") {
  const GraphedCheck check{.dtype = at::kFloat,
                           .options = {.bf16 = true},
                           .loss_tolerance = 2e-2,
                           .gradient_tolerance = 0.1,
                           .recorder = runs_again};
  check_graphed(*load_model(fixture("gpt2"), {}), 2, check);
  check_graphed(*load_model(fixture("llama"), {}), 2, check);
}

TEST_CASE("a micro-batch that is launched adds to what a replayed one left, and the other way round") {
  const GraphedCheck check{.recorder = runs_again};
  const auto start = tiny_model();
  const auto mixed = leaves_on(*start, check), launching = leaves_on(*start, check);
  GraphedLoss graphed(check.recorder());
  uint64_t seed = 3;
  for (int update = 0; update < 3; ++update) {
    forget_gradients(*mixed);
    forget_gradients(*launching);
    for (const bool replays : {true, false, true, update > 0}) {
      const auto rows = rows_of_lengths(++seed, 2, start->config().vocab_size, {});
      if (replays) {
        REQUIRE(graphed.run(*mixed, rows, {}, {}));
      } else {
        launched(*mixed, rows, {});
      }
      launched(*launching, rows, {});
    }
    check_same_gradients(*mixed, *launching, 1e-5);
  }
}

TEST_CASE("what was recorded for one model is not replayed for another") {
  const GraphedCheck check{.recorder = runs_again};
  GraphedLoss graphed(check.recorder());
  const auto rows = rows_of_lengths(5, 2, tiny_model()->config().vocab_size, {});
  for (const uint64_t seed : {1, 2}) {
    const auto start = tiny_model({.seed = seed});
    const auto replaying = leaves_on(*start, check), launching = leaves_on(*start, check);
    const LatentLoss want = launched(*launching, rows, {});
    for (int update = 0; update < 3; ++update) {
      forget_gradients(*replaying);
      const auto got = graphed.run(*replaying, rows, {}, {});
      REQUIRE(got);
      CHECK(got->tokens == doctest::Approx(want.tokens).epsilon(1e-6));
      check_same_gradients(*replaying, *launching, 1e-5);
    }
    CHECK(graphed.recorded() == static_cast<int64_t>(seed));
  }
  // Nor for other numbers in the place of the old, nor for other options.
  const auto model = leaves_on(*tiny_model(), check), other = leaves_on(*tiny_model({.seed = 3}), check);
  for (int update = 0; update < 3; ++update) graphed.run(*model, rows, {}, {});
  const int64_t replayed = graphed.replayed();
  CHECK(replayed == 6);
  for (const auto& [name, leaf] : model->weights())
    leaf.unsafeGetTensorImpl()->set_storage_keep_dtype(other->weights().at(name).storage());
  forget_gradients(*model);
  const auto got = graphed.run(*model, rows, {}, {});
  REQUIRE(got);
  CHECK(graphed.replayed() == replayed);
  CHECK(got->tokens == doctest::Approx(latent_loss(*other, rows).tokens).epsilon(1e-6));
  graphed.run(*model, rows, {}, {});
  CHECK(graphed.replayed() == replayed + 1);
  graphed.run(*model, rows, {}, {.share = 0.5});
  CHECK(graphed.replayed() == replayed + 1);
}

TEST_CASE("what was recorded for a model is not replayed for one at its address with the same weights") {
  const GraphedCheck check{.recorder = runs_again};
  GraphedLoss graphed(check.recorder());
  std::optional<Transformer> model(*leaves_on(*load_model(fixture("llama"), {}), check));
  const auto rows = rows_of_lengths(5, 2, model->config().vocab_size, {});
  for (int update = 0; update < 3; ++update) graphed.run(*model, rows, {}, {});
  CHECK(graphed.replayed() == 2);
  const ModelConfig config = model->config();
  const std::map<std::string, at::Tensor> weights = model->weights();
  model.emplace(config, weights);  // with tables of positions of its own
  graphed.run(*model, rows, {}, {});
  CHECK(graphed.replayed() == 2);
}

TEST_CASE("losses that cannot be recorded are left to latent_loss, with the leaves as they were") {
  const GraphedCheck check{.recorder = runs_again};
  const auto model = leaves_on(*tiny_model(), check);
  const auto rows = rows_of_lengths(5, 2, model->config().vocab_size, {});
  auto targets = rows;
  for (TrainingRow& row : targets) row.thought_targets = {{1}, {2, 3}};
  auto untrained = rows;
  for (TrainingRow& row : untrained) std::ranges::fill(row.rest_trained, 0);
  GraphedLoss graphed(check.recorder());
  CHECK(!graphed.run(*model, targets, {}, {}));
  CHECK(!graphed.run(*model, untrained, {}, {}));
  CHECK(!graphed.run(*model, rows, {.through_thoughts = false}, {}));
  CHECK(!graphed.run(*model, rows, {.recompute = true}, {}));
  CHECK(!graphed.run(*model, rows, {.path = TrainingPath::plain}, {}));
  CHECK(!graphed.run(*in_bf16(*model), rows, {}, {}));  // its weights are no leaves
  CHECK(!graphed.run(*tiny_model(), rows, {}, {}));     // nor do these take a gradient
  CHECK(!GraphedLoss(nullptr).run(*model, rows, {}, {}));
  {
    const at::NoGradGuard no_grad;
    CHECK(!graphed.run(*model, rows, {}, {}));
  }
  for (const std::string name : {"mixtral", "deepseek_v3", "rwkv7", "tacit_log_linear", "huginn", "ouro"}) {
    CAPTURE(name);
    const auto other = leaves_on(*load_model(fixture(name), {}), check);
    CHECK(!graphed.run(*other, rows_of_lengths(5, 2, other->config().vocab_size, {}), {}, {}));
  }
  for (const auto& [name, leaf] : model->weights()) CHECK(!leaf.grad().defined());
}

TEST_CASE("many shapes: those longest unused are recorded anew, with the same results") {
  const GraphedCheck check{.recorder = runs_again};
  const auto start = tiny_model();
  const auto replaying = leaves_on(*start, check), launching = leaves_on(*start, check);
  GraphedLoss graphed(check.recorder());
  // Odd rounds repeat four shapes, even ones have 30, more than are kept: those of the odd ones make room in between.
  const std::vector<int64_t> recorded = {0, 4, 4, 8}, replayed = {0, 26, 30, 56};
  for (size_t round = 0; round < recorded.size(); ++round) {
    for (int64_t latents = 0; latents < 30; ++latents) {
      CAPTURE(latents);
      forget_gradients(*replaying);
      forget_gradients(*launching);
      const auto rows = rows_of_lengths(100 * round + static_cast<uint64_t>(latents),
                                        round % 2 == 1 ? latents % 4 : latents, start->config().vocab_size, {2, 4}, 1);
      const auto got = graphed.run(*replaying, rows, {}, {});
      REQUIRE(got);
      CHECK(got->tokens == doctest::Approx(launched(*launching, rows, {}).tokens).epsilon(1e-6));
      check_same_gradients(*replaying, *launching, 1e-5);
    }
    CHECK(graphed.recorded() == recorded[round]);
    CHECK(graphed.replayed() == replayed[round]);
  }
}

TEST_CASE("a batch is widened to one of a few shapes") {
  const auto rounded = [](int64_t prompt_width, int64_t rest_width, int64_t trained) {
    const BatchShape s = rounded_shape(
        {.rows = 4, .latents = 6, .prompt_width = prompt_width, .rest_width = rest_width, .trained = trained});
    CHECK(s.rows == 4);
    CHECK(s.latents == 6);
    return std::vector<int64_t>{s.prompt_width, s.rest_width, s.trained};
  };
  CHECK(rounded(1, 1, 1) == std::vector<int64_t>{16, 16, 16});
  CHECK(rounded(16, 16, 17) == std::vector<int64_t>{16, 16, 32});
  CHECK(rounded(17, 17, 60) == std::vector<int64_t>{32, 32, 64});
  CHECK(rounded(330, 40, 160) == std::vector<int64_t>{352, 48, 192});
  CHECK(rounded(1025, 200, 800) == std::vector<int64_t>{1152, 208, 832});
}

TEST_CASE("replayed updates reach the model's last position") {
  const auto start = tiny_model({.max_positions = 40});
  const GraphedCheck check{.recorder = runs_again};
  const auto replaying = leaves_on(*start, check), launching = leaves_on(*start, check);
  GraphedLoss graphed(check.recorder());
  for (uint64_t seed = 1; seed < 4; ++seed) {
    forget_gradients(*replaying);
    forget_gradients(*launching);
    auto rows = rows_of_lengths(seed, 2, start->config().vocab_size, {});
    rows[1].prompt.assign(33, 1);
    rows[1].rest = {1, 2, 3, 4, 5};
    rows[1].rest_trained.assign(5, 1);
    REQUIRE(graphed.run(*replaying, rows, {}, {}));
    launched(*launching, rows, {});
    check_same_gradients(*replaying, *launching, 1e-5);
  }
}

}  // namespace
}  // namespace tacit::test
