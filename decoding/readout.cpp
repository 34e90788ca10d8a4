#include "decoding/readout.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "lib/core/error.h"

namespace tacit {
namespace {

// Softmax in fp64: shares of a large vocabulary are sums of many small terms.
std::vector<TokenShare> top_shares(std::span<const float> logits_V, int64_t top) {
  const double largest = *std::max_element(logits_V.begin(), logits_V.end());
  double sum = 0;
  for (float logit : logits_V) sum += std::exp(logit - largest);
  std::vector<int64_t> ids(logits_V.size());
  std::iota(ids.begin(), ids.end(), 0);
  const int64_t count = std::min<int64_t>(top, std::ssize(ids));
  std::partial_sort(ids.begin(), ids.begin() + count, ids.end(), [&](int64_t a, int64_t b) {
    return logits_V[a] != logits_V[b] ? logits_V[a] > logits_V[b] : a < b;
  });
  std::vector<TokenShare> shares;
  for (int64_t i = 0; i < count; ++i) shares.push_back({ids[i], std::exp(logits_V[ids[i]] - largest) / sum});
  return shares;
}

}  // namespace

std::vector<TokenShare> readout(const Transformer& model, const at::Tensor& thought_D, int64_t top) {
  require(thought_D.dim() == 1, "readout", "expected one vector [D] but got shape ", shape_text(thought_D.sizes()));
  return readouts(model, thought_D.unsqueeze(0), top)[0];
}

std::vector<std::vector<TokenShare>> readouts(const Transformer& model, const at::Tensor& thoughts_ND, int64_t top) {
  const int64_t hidden_size = model.config().hidden_size;
  require(thoughts_ND.dim() == 2 && thoughts_ND.size(1) == hidden_size, "readout", "expected vectors of shape [N, ",
          hidden_size, "] but got ", shape_text(thoughts_ND.sizes()));
  require(top >= 0, "readout", "expected top of at least 0 but got ", top);
  const at::NoGradGuard no_grad;
  const at::Tensor logits_NV =
      model.logits(thoughts_ND.to(model.device(), model.dtype())).to(at::kCPU, at::kFloat).contiguous();
  // A softmax over NaN has no order to sort by.
  require(!logits_NV.isnan().any().item<bool>(), "readout", "expected finite thoughts but got NaN among the logits");
  const float* logits = logits_NV.const_data_ptr<float>();
  const size_t vocab = static_cast<size_t>(logits_NV.size(1));
  std::vector<std::vector<TokenShare>> out;
  for (int64_t n = 0; n < logits_NV.size(0); ++n) out.push_back(top_shares({logits + n * vocab, vocab}, top));
  return out;
}

}  // namespace tacit
