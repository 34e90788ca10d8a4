#include "latent/methods/colar_head.h"

#include <cmath>
#include <numbers>

#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {

MethodWeights gaussian_head_weights(int64_t hidden_size, int64_t width, uint64_t seed) {
  Rng rng(seed, /*stream=*/0x636f'6c61'72);  // "colar"
  MethodWeights out;
  const auto linear = [&](const std::string& name, int64_t outputs, int64_t inputs) {
    at::Tensor weight = at::zeros({outputs, inputs}, at::kFloat);
    float* values = weight.mutable_data_ptr<float>();
    const double bound = 1 / std::sqrt(static_cast<double>(inputs));
    for (int64_t i = 0; i < weight.numel(); ++i) values[i] = static_cast<float>(bound * (2 * rng.uniform() - 1));
    out[name + ".weight"] = weight;
    out[name + ".bias"] = at::zeros({outputs}, at::kFloat);
  };
  linear("fc1", width, hidden_size);
  linear("fc2", width, width);
  linear("mean", hidden_size, width);
  linear("log_sigma", hidden_size, width);
  out["norm.weight"] = at::ones({width}, at::kFloat);
  out["norm.bias"] = at::zeros({width}, at::kFloat);
  return out;
}

Gaussian gaussian_head(const MethodWeights& weights, const at::Tensor& hidden) {
  const auto linear = [&](const std::string& name, const at::Tensor& x) {
    return at::linear(x, weights.at(name + ".weight"), weights.at(name + ".bias"));
  };
  const at::Tensor inner = linear("fc2", at::gelu(linear("fc1", hidden.to(at::kFloat))));
  const at::Tensor scale = weights.at("norm.weight");
  const at::Tensor x = at::layer_norm(inner, scale.sizes(), scale, weights.at("norm.bias"));
  return {linear("mean", x), linear("log_sigma", x).clamp_min(kLeastLogSigma)};
}

Gaussian spread_gaussian(const Gaussian& gaussian, double spread) {
  return spread == 0 ? gaussian : Gaussian{gaussian.mean, gaussian.log_sigma + std::log(spread)};
}

at::Tensor gaussian_nll(const Gaussian& gaussian, const at::Tensor& x) {
  const at::Tensor off = (x - gaussian.mean) * (-gaussian.log_sigma).exp();
  return (off.square() / 2 + gaussian.log_sigma).mean(-1) + std::log(2 * std::numbers::pi) / 2;
}

at::Tensor gaussian_square_error(const Gaussian& gaussian, const at::Tensor& x) {
  return ((x - gaussian.mean).square() + (2 * gaussian.log_sigma).exp()).mean(-1);
}

at::Tensor compressed_embeddings(const at::Tensor& embedding_TD, int64_t factor) {
  require(factor >= 1, "compressed_embeddings", "expected a factor of at least 1 but got ", factor);
  std::vector<at::Tensor> chunks;
  for (int64_t begin = 0; begin < embedding_TD.size(0); begin += factor) {
    const int64_t length = std::min(factor, embedding_TD.size(0) - begin);
    chunks.push_back(embedding_TD.narrow(0, begin, length).sum(0) / std::sqrt(static_cast<double>(length)));
  }
  return chunks.empty() ? embedding_TD : at::stack(chunks);
}

}  // namespace tacit
