#include "latent/thought_decoder.h"

#include <algorithm>

#include "lib/core/error.h"
#include "lib/memory/training_memory.h"
#include "lib/model/memory_layout.h"

namespace tacit {

static const std::string kPrefix = "decoder.";

MethodWeights decoder_weights(const ModelConfig& config, const Transformer* start, uint64_t seed) {
  MethodWeights out;
  const auto weights = start ? start->weights() : random_weights(config, seed, /*matched_attention=*/true);
  for (const auto& [name, weight] : weights)
    out[kPrefix + name] = weight.detach().to(at::kFloat).clone(at::MemoryFormat::Contiguous);
  return out;
}

std::shared_ptr<const Transformer> thought_decoder(const ModelConfig& config, const MethodWeights& weights) {
  std::map<std::string, at::Tensor> own;
  for (const auto& [name, weight] : weights) {
    if (name.starts_with(kPrefix)) own[name.substr(kPrefix.size())] = weight;
  }
  require(!own.empty(), "thought_decoder", "expected a checkpoint with a decoder (method sim-cot) but it has none");
  return std::make_shared<Transformer>(config, std::move(own));
}

at::Tensor reconstruction_loss(const Transformer& decoder, const at::Tensor& thoughts_NVD,
                               const std::vector<std::vector<int64_t>>& steps) {
  const int64_t N = thoughts_NVD.size(0), V = thoughts_NVD.size(1);
  require(std::ssize(steps) == N, "thought_decoder", "expected a step for each of ", N, " thoughts but got ",
          steps.size());
  int64_t width = 0;
  for (const auto& step : steps) width = std::max<int64_t>(width, std::ssize(step));
  if (width == 0) return {};
  std::vector<int64_t> ids(N * width, 0), at_M, label_M;
  for (int64_t n = 0; n < N; ++n) {
    std::ranges::copy(steps[n], ids.begin() + n * width);
    for (int64_t t = 0; t < std::ssize(steps[n]); ++t) {
      at_M.push_back(n * (V + width - 1) + V - 1 + t);
      label_M.push_back(steps[n][t]);
    }
  }
  const auto on_device = [&](const std::vector<int64_t>& values) {
    return at::tensor(values, at::kLong).to(decoder.device());
  };
  const at::Tensor words_NTD = decoder.embed(on_device(ids).view({N, width}).narrow(1, 0, width - 1));
  const at::Tensor input_NTD = at::cat({thoughts_NVD.to(words_NTD.scalar_type()), words_NTD}, 1);
  TrainingMemory memory(memory_layout(decoder.config()), std::vector<int64_t>(N, 0), decoder.device());
  const at::Tensor hidden_NTD = decoder.forward(input_NTD, memory.open(input_NTD.size(1)), memory);
  memory.close();
  const at::Tensor before_MD = decoder.final_norm(hidden_NTD.flatten(0, 1).index_select(0, on_device(at_M)));
  return at::cross_entropy_loss(decoder.logits(before_MD), on_device(label_M));
}

}  // namespace tacit
