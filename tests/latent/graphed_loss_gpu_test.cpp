// Recorded updates on CUDA, held to launched ones there.
#include <iostream>

#include "latent/train_method.h"
#include "lib/core/files.h"
#include "lib/kernels/cuda_backend.h"
#include "lib/model/checkpoint.h"
#include "tests/latent/graphed_loss_checks.h"
#include "tests/latent/small_recipe.h"
#include "tests/lib/core_support.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

namespace tacit::test {
namespace {

bool has_cuda() {
  if (enable_cuda()) return true;
  std::cout << "TACIT-SKIP: no CUDA device\n";
  return false;
}

std::unique_ptr<WorkRecorder> cuda_recorder() {
  auto recorder = make_work_recorder({at::kCUDA, 0});
  REQUIRE(recorder);  // this build and this LibTorch have what it takes
  return recorder;
}

GraphedCheck on_cuda(GraphedCheck check) {
  check.device = {at::kCUDA, 0};
  check.recorder = cuda_recorder;
  return check;
}

const GraphedCheck kFp32{.dtype = at::kFloat, .loss_tolerance = 1e-5, .gradient_tolerance = 1e-4};

TEST_CASE("a recorder replays on the current stream what it recorded, with what tensors then hold") {
  if (!has_cuda()) return;
  const auto options = at::TensorOptions(at::kFloat).device(at::kCUDA);
  const at::Tensor x = at::ones({1000, 1000}, options), y = at::zeros({1000, 1000}, options);
  const auto recorder = cuda_recorder();
  const auto work = [&] { y.copy_(at::mm(x, x) + at::ones_like(x).mul_(2)); };
  recorder->run(work);
  CHECK(at::equal(y, at::full_like(y, 1002)));
  const auto recorded = recorder->record(work);
  y.zero_();
  CHECK(y.sum().item<float>() == 0);  // nothing took place
  for (const float value : {2.0f, 3.0f}) {
    x.fill_(value);
    recorded->replay();
    CHECK(at::equal(y, at::full_like(y, 1000 * value * value + 2)));
  }
}

TEST_CASE("replayed updates on CUDA have the losses and gradients of launched ones") {
  if (!has_cuda()) return;
  check_graphed(*tiny_model(), 2, on_cuda(kFp32));
  for (const std::string name : {"gpt2", "llama", "gpt_neox", "qwen2_window", "qwen3", "universal"}) {
    CAPTURE(name);
    const auto model = load_model(fixture(name), {});
    for (const int64_t latents : {0, 3}) {
      CAPTURE(latents);
      check_graphed(*model, latents, on_cuda(kFp32));
    }
  }
}

TEST_CASE("replayed micro-batches on CUDA add up") {
  if (!has_cuda()) return;
  for (const int64_t accumulate : {2, 4}) {
    CAPTURE(accumulate);
    GraphedCheck check = on_cuda(kFp32);
    check.options.share = 1.0 / static_cast<double>(accumulate);
    check_graphed(*tiny_model(), 2, check, accumulate);
  }
}

TEST_CASE("replayed updates on CUDA round weights to bf16 as launched ones do") {
  if (!has_cuda()) return;
  const GraphedCheck check =
      on_cuda({.dtype = at::kFloat, .options = {.bf16 = true}, .loss_tolerance = 2e-2, .gradient_tolerance = 0.1});
  check_graphed(*load_model(fixture("gpt2"), {}), 2, check);
  check_graphed(*load_model(fixture("llama"), {}), 2, check);
}

TEST_CASE("training with recorded updates is training with launched ones") {
  if (!has_cuda()) return;
  const auto updates = [](const std::string& method, bool graphs, const std::filesystem::path& folder) {
    Json recipe = small_recipe(method);
    recipe["bf16"] = false;
    recipe["steps"] = 20;
    TrainConfig config = train_config_from_json(recipe, "test");
    config.device = at::kCUDA;
    config.graphs = graphs;
    train_method(config, folder, /*resume=*/false, {});
    std::vector<Json> out;
    for_each_line(folder / "metrics.jsonl", "test", [&](std::string_view text, int64_t) {
      const Json line = Json::parse(text);
      if (line.contains("grad_norm")) out.push_back(line);
    });
    return out;
  };
  ScratchFolder scratch;
  for (const std::string name : {"coconut", "pause", "cot", "walk"}) {
    CAPTURE(name);
    const std::vector<Json> launched_ones = updates(name, false, scratch / (name + "-launched"));
    const std::vector<Json> replayed_ones = updates(name, true, scratch / (name + "-replayed"));
    REQUIRE(replayed_ones.size() == launched_ones.size());
    double replayed = 0;
    for (size_t i = 0; i < launched_ones.size(); ++i) {
      for (const char* figure : {"loss", "grad_norm"}) {
        CHECK(replayed_ones[i][figure].get<double>() == doctest::Approx(launched_ones[i][figure]).epsilon(2e-3));
      }
      replayed += replayed_ones[i]["replayed"].get<double>();
    }
    CHECK(replayed > 0);
  }
  CHECK_THROWS_WITH_AS(updates("frontier", true, scratch / "frontier"), doctest::Contains("that can be recorded"),
                       Error);
  CHECK_FALSE(exists(scratch / "frontier"));
}

// Last: what was refused stays with LibTorch's allocator.
TEST_CASE("a recorder refuses work that waits for the device, and goes on") {
  if (!has_cuda()) return;
  const auto options = at::TensorOptions(at::kFloat).device(at::kCUDA);
  const at::Tensor x = at::ones({10}, options), y = at::zeros({10}, options);
  const auto recorder = cuda_recorder();
  recorder->run([&] { y.copy_(x * 2); });
  CHECK_THROWS_WITH_AS(recorder->record([&] { y.fill_(x.sum().item<float>()); }),
                       doctest::Contains("expected work that a CUDA graph can hold"), Error);
  recorder->run([&] { y.copy_(x * 3); });
  CHECK(y.sum().item<float>() == 30);
  const auto recorded = recorder->record([&] { y.copy_(x * 4); });
  recorded->replay();
  CHECK(y.sum().item<float>() == 40);
}

}  // namespace
}  // namespace tacit::test
