#include "decoding/contrast.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lib/core/error.h"

namespace tacit {

at::Tensor contrast_scores(const at::Tensor& logits_BV, const at::Tensor& other_BV, const ContrastOptions& options) {
  require(options.weight >= 0 && std::isfinite(options.weight) && options.plausible >= 0 && options.plausible <= 1,
          "contrast", "expected a weight of at least 0 and plausible in 0..1 but got ", options.weight, " and ",
          options.plausible);
  const auto log_probs = [](const at::Tensor& x_BV) { return at::log_softmax(x_BV.to(at::kCPU, at::kDouble), -1); };
  const at::Tensor log_p_BV = log_probs(logits_BV), log_q_BV = log_probs(other_BV);
  const at::Tensor least_B1 = log_p_BV.amax(-1, /*keepdim=*/true) + std::log(options.plausible);
  const at::Tensor score_BV = (1 + options.weight) * log_p_BV - options.weight * log_q_BV;
  return score_BV.masked_fill(log_p_BV < least_B1, -std::numeric_limits<double>::infinity());
}

std::vector<Decoded> decode_contrast(Session& session, Session& other, const ContrastOptions& contrast,
                                     const DecodeOptions& options) {
  require(session.rows() == other.rows(), "contrast", "expected sessions of as many rows but got ", session.rows(),
          " and ", other.rows());
  require(!session.reads_at_once(), "contrast", "expected a session that reads from left to right");
  std::vector<Decoded> out(session.rows());
  std::vector<char> done(session.rows(), 0);
  for (int64_t step = 0; step < options.max_tokens; ++step) {
    const std::vector<int64_t> ids =
        likeliest_tokens(contrast_scores(session.logits_BV(), other.logits_BV(), contrast), "contrast");
    TokenRows next(session.rows());
    for (int64_t b = 0; b < session.rows(); ++b) {
      if (!done[b] && options.stop_tokens.contains(ids[b])) out[b].stopped = true, done[b] = 1;
      if (done[b]) continue;
      next[b] = {ids[b]};
      out[b].tokens.push_back(ids[b]);
      done[b] = options.complete && options.complete(out[b].tokens);
    }
    if (std::ranges::all_of(next, [](const auto& fed) { return fed.empty(); })) break;
    session.feed(next);
    other.feed(next);
    if (std::ranges::all_of(done, [](char d) { return d != 0; })) break;
  }
  return out;
}

}  // namespace tacit
