#include "latent/token_mixture.h"

#include <cmath>
#include <functional>

#include "lib/core/error.h"

namespace tacit {
namespace {

at::Tensor renormalised(const at::Tensor& weight_BV) { return weight_BV / weight_BV.sum(-1, /*keepdim=*/true); }

double gumbel(Rng& rng) { return -std::log(-std::log(rng.uniform() + 0x1p-54)); }  // of a uniform in (0, 1)

// Logarithm of a draw of Gamma(shape, 1) [Marsaglia and Tsang 2000]. A shape below 1 is drawn from shape + 1, times
// u^(1 / shape), which as a number itself would often be 0.
double log_gamma_draw(double shape, Rng& rng) {
  if (shape < 1) return log_gamma_draw(shape + 1, rng) + std::log(rng.uniform() + 0x1p-54) / shape;
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = rng.normal(), v = std::pow(1 + c * x, 3), u = rng.uniform() + 0x1p-54;
    if (v > 0 && std::log(u) < x * x / 2 + d - d * v + d * std::log(v)) return std::log(d * v);
  }
}

// softmax of draw(weight), taken over the tokens that weigh something.
at::Tensor softmax_of_draws(const at::Tensor& weight_V, const std::function<double(double)>& draw) {
  const at::Tensor host_V = weight_V.to(at::kCPU, at::kFloat).contiguous();
  const float* weight = host_V.const_data_ptr<float>();
  at::Tensor drawn_V = at::full({host_V.size(0)}, -INFINITY, at::kDouble);
  double* drawn = drawn_V.mutable_data_ptr<double>();
  for (int64_t v = 0; v < host_V.size(0); ++v) {
    if (weight[v] > 0) drawn[v] = draw(weight[v]);
  }
  return at::softmax(drawn_V, -1).to(at::kFloat);
}

}  // namespace

at::Tensor mixture_weights(const at::Tensor& logits_BV, const MixtureOptions& options) {
  require(is_temperature(options.temperature) && options.top_k >= 0 && options.top_p > 0 && options.top_p <= 1 &&
              options.min_p >= 0 && options.min_p <= 1,
          "mixture_weights",
          "expected a temperature of 0 or at least 1e-6, top_k of at least 0, top_p in (0, 1], min_p in 0..1 but got ",
          options.temperature, ", ", options.top_k, ", ", options.top_p, ", ", options.min_p);
  const at::Tensor logits = logits_BV.to(at::kFloat);
  if (options.temperature == 0) {
    return at::zeros_like(logits).scatter_(-1, logits.argmax(-1, /*keepdim=*/true), 1);
  }
  const int64_t V = logits.size(-1);
  const at::Tensor whole = at::softmax(logits / options.temperature, -1);
  if ((options.top_k == 0 || options.top_k >= V) && options.top_p == 1 && options.min_p == 0) return whole;
  auto [weight, id] = at::sort(whole, /*stable=*/true, /*dim=*/-1, /*descending=*/true);
  if (options.top_k > 0 && options.top_k < V) {
    weight = weight.clone();
    weight.narrow(-1, options.top_k, V - options.top_k).zero_();
    weight = renormalised(weight);
  }
  if (options.top_p < 1) weight = renormalised(weight * (weight.cumsum(-1) - weight < options.top_p));
  if (options.min_p > 0) weight = renormalised(weight * (weight >= options.min_p * weight.narrow(-1, 0, 1)));
  return at::zeros_like(weight).scatter_(-1, id, weight);
}

std::vector<double> token_entropies(const at::Tensor& logits_BV, double temperature) {
  require(is_temperature(temperature), "token_entropies", "expected a temperature of 0 or at least 1e-6 but got ",
          temperature);
  if (temperature == 0) return std::vector<double>(logits_BV.size(0), 0.0);
  const at::Tensor log_p = at::log_softmax(logits_BV.to(at::kFloat) / temperature, -1);
  const at::Tensor p = log_p.exp();
  const at::Tensor entropy_B =
      -at::where(p > 0, p * log_p, at::zeros_like(p)).sum(-1).to(at::kCPU, at::kDouble).contiguous();
  return {entropy_B.const_data_ptr<double>(), entropy_B.const_data_ptr<double>() + entropy_B.size(0)};
}

at::Tensor gumbel_weights(const at::Tensor& weight_V, double temperature, Rng& rng) {
  require(temperature >= kLeastTemperature, "gumbel_weights", "expected a temperature of at least 1e-6 but got ",
          temperature);
  return softmax_of_draws(weight_V, [&](double w) { return (std::log(w) + gumbel(rng)) / temperature; });
}

at::Tensor dirichlet_weights(const at::Tensor& weight_V, double alpha, Rng& rng) {
  require(alpha > 0, "dirichlet_weights", "expected alpha above 0 but got ", alpha);
  return softmax_of_draws(weight_V, [&](double w) { return log_gamma_draw(alpha * w, rng); });
}

}  // namespace tacit
