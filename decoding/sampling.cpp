#include "decoding/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "latent/feedback.h"
#include "latent/token_mixture.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr uint32_t kAnswerDraws = 0x616e'7377;  // "answ": apart from what feedbacks draw of the same seed
constexpr double kCut = -std::numeric_limits<double>::infinity();

// log of the sum of exp; -inf entries count nothing.
double log_sum_exp(std::span<const double> x) {
  const double largest = *std::ranges::max_element(x);
  double sum = 0;
  for (const double v : x) sum += std::exp(v - largest);
  return largest + std::log(sum);
}

void cut_top_k(std::vector<double>& score, int64_t k) {
  if (k == 0 || k >= std::ssize(score)) return;
  std::vector<double> sorted = score;
  std::ranges::nth_element(sorted, sorted.begin() + k - 1, std::greater());
  const double least = sorted[k - 1];
  for (double& s : score) s = s < least ? kCut : s;
}

// Tokens go, from the least likely on, while all that have gone weigh at most 1 - top_p; one always stays.
void cut_top_p(std::vector<double>& score, double top_p) {
  if (top_p >= 1) return;
  std::vector<int64_t> order(score.size());
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](int64_t i) { return score[i] == kCut; });
  std::ranges::sort(order, [&](int64_t a, int64_t b) { return score[a] != score[b] ? score[a] < score[b] : a > b; });
  const double whole = log_sum_exp(score);
  double gone = 0;
  for (size_t n = 0; n + 1 < order.size(); ++n) {
    gone += std::exp(score[order[n]] - whole);
    if (gone > 1 - top_p) break;
    score[order[n]] = kCut;
  }
}

void cut_min_p(std::vector<double>& score, double min_p) {
  if (min_p <= 0) return;
  const double least = *std::ranges::max_element(score) + std::log(min_p);
  for (double& s : score) s = s < least ? kCut : s;
}

// In the order of ids.
int64_t draw(std::span<const double> log_probs, Rng& rng) {
  const double u = rng.uniform();
  double sum = 0;
  int64_t last = 0;
  for (int64_t v = 0; v < std::ssize(log_probs); ++v) {
    if (log_probs[v] == kCut) continue;
    sum += std::exp(log_probs[v]);
    last = v;
    if (u < sum) break;
  }
  return last;  // rounding may leave the sum a little below 1
}

}  // namespace

void require_sampling(const SamplingOptions& o, std::string_view operation) {
  require((o.temperature == 0 || o.temperature >= kLeastTemperature) && std::isfinite(o.temperature) && o.top_k >= 0 &&
              o.top_p > 0 && o.top_p <= 1 && o.min_p >= 0 && o.min_p <= 1,
          operation,
          "expected a temperature of 0 or at least 1e-6, top_k of at least 0, top_p in (0, 1], min_p in 0..1 but got ",
          o.temperature, ", ", o.top_k, ", ", o.top_p, ", ", o.min_p);
}

std::vector<double> sampling_log_probs(std::span<const float> logits_V, const SamplingOptions& options) {
  require_sampling(options, "sample");
  require(options.temperature > 0 && !logits_V.empty(), "sample", "expected logits and a temperature above 0");
  std::vector<double> score(logits_V.begin(), logits_V.end());
  for (double& s : score) s /= options.temperature;
  cut_top_k(score, options.top_k);
  cut_top_p(score, options.top_p);
  cut_min_p(score, options.min_p);
  const double whole = log_sum_exp(score);
  for (double& s : score) s -= whole;
  return score;
}

std::vector<TokenChoice> choose_tokens(const at::Tensor& logits_BV, const SamplingOptions& options,
                                       std::vector<Rng> rngs, std::string_view operation) {
  require_sampling(options, operation);
  std::vector<int64_t> ids = likeliest_tokens(logits_BV, operation);
  const at::Tensor host_BV = logits_BV.to(at::kCPU, at::kFloat).contiguous();
  const size_t vocabulary = static_cast<size_t>(host_BV.size(1));
  require(options.temperature == 0 || rngs.size() == ids.size(), operation, "expected random numbers for each of ",
          ids.size(), " rows but got ", rngs.size());
  std::vector<TokenChoice> out;
  for (size_t b = 0; b < ids.size(); ++b) {
    const std::span<const float> logits_V(host_BV.const_data_ptr<float>() + b * vocabulary, vocabulary);
    if (options.temperature > 0) ids[b] = draw(sampling_log_probs(logits_V, options), rngs[b]);
    const std::vector<double> wide(logits_V.begin(), logits_V.end());
    out.push_back({ids[b], wide[ids[b]] - log_sum_exp(wide)});
  }
  return out;
}

Rng answer_rng(uint64_t seed, int64_t id, int64_t position) { return thought_rng(seed, id, position, kAnswerDraws); }

int64_t sample_id(int64_t id, int64_t sample) {
  constexpr int64_t kMostProblems = int64_t{1} << 31;
  require(id >= 0 && id < kMostProblems && sample >= 0 && sample < kMostSamples, "sample", "expected a problem below ",
          kMostProblems, " and a sample below ", kMostSamples, " but got ", id, " and ", sample);
  return id + (sample << 31);
}

}  // namespace tacit
