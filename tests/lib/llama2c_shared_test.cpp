#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "lib/core/files.h"
#include "lib/core/json.h"
#include "lib/memory/inference_memory.h"
#include "lib/model/checkpoint.h"
#include "lib/model/llama2c.h"
#include "lib/model/memory_layout.h"
#include "lib/tokenizer/tokenizer.h"
#include "tests/lib/core_support.h"
#include "tests/support/test_data.h"

using namespace tacit;

namespace {

const std::string kStories = "checkpoints/stories260K/";

// Logits after the last of `tokens`, in a memory of its own or going on in one.
at::Tensor logits_after(const Transformer& model, const std::vector<int64_t>& tokens, InferenceMemory& memory) {
  const at::NoGradGuard no_grad;
  const std::vector<int64_t> counts = {std::ssize(tokens)};
  const at::Tensor ids_1T = at::tensor(tokens, at::kLong).unsqueeze(0);
  const at::Tensor position_1T = memory.open(counts, counts[0], "test");
  const at::Tensor hidden_1TD = model.forward(model.embed(ids_1T), position_1T, memory);
  memory.close();
  return model.logits(model.final_norm(hidden_1TD.select(1, -1)))[0];
}

InferenceMemory memory_for(const Transformer& model, int64_t capacity) {
  return InferenceMemory({.layout = memory_layout(model.config()), .rows = 1, .capacity = capacity});
}

}  // namespace

TEST_CASE(
    "stories260K converted from llama2.c: logits agree with the reference to 1e-4, the greedy text is the published "
    "one") {
  const auto checkpoint = test::data(kStories + "stories260K.bin"),
             tokenizer_file = test::data(kStories + "tok512.bin");
  const auto golden = test::data(kStories + "golden_greedy_200.txt");
  if (!checkpoint || !tokenizer_file || !golden) return;
  const ScratchFolder scratch;
  convert_llama2c({*checkpoint, *tokenizer_file, scratch / "out"});
  const auto model = load_model(scratch / "out");
  const auto tokenizer = load_tokenizer(scratch / "out");

  const Json fixture =
      read_json(std::filesystem::path(TACIT_SOURCE_DIR) / "tests/parity/fixtures/llama2c_stories260K.json", "test");
  const int64_t stride = fixture.at("stride").get<int64_t>();
  for (const Json& expected : fixture.at("cases")) {
    const auto tokens = expected.at("tokens").get<std::vector<int64_t>>();
    InferenceMemory memory = memory_for(*model, std::ssize(tokens));
    const at::Tensor logits_V = logits_after(*model, tokens, memory);
    const auto reference = expected.at("logits").get<std::vector<double>>();
    CHECK(std::ssize(reference) == (logits_V.size(0) + stride - 1) / stride);
    double worst = 0;
    for (size_t i = 0; i < reference.size(); ++i) {
      worst = std::max(worst, std::abs(logits_V[static_cast<int64_t>(i) * stride].item<double>() - reference[i]));
    }
    CAPTURE(tokens.size());
    CHECK(worst < 1e-4);
  }

  InferenceMemory memory = memory_for(*model, 200);
  std::vector<int64_t> text = {1};
  for (int64_t step = 0; step < 200; ++step) {
    text.push_back(logits_after(*model, {text.back()}, memory).argmax().item<int64_t>());
  }
  text.erase(text.begin());
  CHECK(tokenizer->decode(text) == read_file(*golden, "test"));
}
