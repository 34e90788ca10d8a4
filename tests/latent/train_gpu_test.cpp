// Training on CUDA, held to training on the CPU.
#include <doctest/doctest.h>

#include <cmath>
#include <iostream>

#include "latent/train_method.h"
#include "lib/core/files.h"
#include "lib/kernels/cuda_backend.h"
#include "tests/latent/small_recipe.h"
#include "tests/lib/core_support.h"

namespace tacit::test {
namespace {

std::vector<Json> trained_on(at::Device device, const Json& recipe, const std::filesystem::path& folder, bool resume) {
  TrainConfig config = train_config_from_json(recipe, "test");
  config.device = device;
  train_method(config, folder, resume, {});
  std::vector<Json> lines;
  for_each_line(folder / "metrics.jsonl", "test",
                [&](std::string_view text, int64_t) { lines.push_back(Json::parse(text)); });
  return lines;
}

// Every loss, gradient's norm and validation of `got` is that of `want`, up to rounding that updates carry on.
void check_same_figures(const std::vector<Json>& got, const std::vector<Json>& want) {
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    CAPTURE(got[i].dump());
    CAPTURE(want[i].dump());
    for (const std::string name : {"loss", "grad_norm"}) {
      REQUIRE(got[i].contains(name) == want[i].contains(name));
      if (want[i].contains(name)) CHECK(got[i][name].get<double>() == doctest::Approx(want[i][name]).epsilon(2e-3));
    }
    if (want[i].contains("validation")) {
      CHECK(got[i]["validation"]["token_loss"].get<double>() ==
            doctest::Approx(want[i]["validation"]["token_loss"]).epsilon(2e-3));
    }
  }
}

TEST_CASE("every method trains on CUDA as on the CPU, and goes on there from the CPU's state") {
  if (!enable_cuda()) {
    std::cout << "TACIT-SKIP: no CUDA device\n";
    return;
  }
  for (const std::string& name : method_names()) {
    if (!method(name).row || name == "tree" || name == "halting") continue;  // other tasks, other starts
    CAPTURE(name);
    Json recipe = small_recipe(name);
    recipe["bf16"] = false;
    if (name == "hrpo") {  // it draws by figures that devices round apart
      continue;
    }
    ScratchFolder scratch;
    const std::vector<Json> on_host = trained_on(at::kCPU, recipe, scratch / "host", false);
    check_same_figures(trained_on(at::kCUDA, recipe, scratch / "cuda", false), on_host);
    recipe["steps"] = 12;
    std::filesystem::copy(scratch / "host", scratch / "copy", std::filesystem::copy_options::recursive);
    check_same_figures(trained_on(at::kCUDA, recipe, scratch / "copy", true),
                       trained_on(at::kCPU, recipe, scratch / "host", true));
  }
}

}  // namespace
}  // namespace tacit::test
