#include "decoding/beam.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>

#include "lib/core/error.h"

namespace tacit {
namespace {

struct Continuation {
  int64_t beam = 0, token = 0;
  double log_prob = 0;  // of all tokens
};

// The likeliest `count` of all beams' continuations, likeliest first.
std::vector<Continuation> likeliest(const at::Tensor& logits_BV, const std::vector<Beam>& beams, int64_t count) {
  const at::Tensor log_p_BV = at::log_softmax(logits_BV.to(at::kCPU, at::kDouble), -1).contiguous();
  const double* log_p = log_p_BV.const_data_ptr<double>();
  const int64_t vocabulary = log_p_BV.size(1);
  std::vector<Continuation> all;
  for (int64_t b = 0; b < std::ssize(beams); ++b) {
    for (int64_t v = 0; v < vocabulary; ++v) all.push_back({b, v, beams[b].log_prob + log_p[b * vocabulary + v]});
  }
  count = std::min(count, std::ssize(all));
  const auto before = [](const Continuation& a, const Continuation& b) {
    if (a.log_prob != b.log_prob) return a.log_prob > b.log_prob;
    return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
  };
  std::ranges::partial_sort(all, all.begin() + count, before);
  all.resize(count);
  return all;
}

double score_of(double log_prob, int64_t length, double penalty) {
  return log_prob / std::pow(static_cast<double>(length), penalty);
}

}  // namespace

std::vector<Beam> beam_search(const Session& start, const BeamOptions& options, int64_t max_tokens,
                              const StopTokens& stop_tokens, WorkDone* work, const AnswerComplete& complete) {
  require(start.rows() == 1, "beam_search", "expected a session of one row but got ", start.rows());
  require(!start.reads_at_once(), "beam_search", "expected a session that reads from left to right");
  require(options.width >= 1 && max_tokens >= 0 && std::isfinite(options.length_penalty), "beam_search",
          "expected a width of at least 1, a finite length_penalty and max_tokens of at least 0 but got ",
          options.width, ", ", options.length_penalty, " and ", max_tokens);
  const int64_t width = options.width, prompt = start.lengths()[0];
  Session session = start.fork({0});
  std::vector<Beam> running(1), finished;
  for (int64_t length = 1; length <= max_tokens; ++length) {
    const at::Tensor logits_BV = session.logits_BV();
    likeliest_tokens(logits_BV, "beam_search");  // refuses what is not finite
    std::vector<Beam> next;
    std::vector<int64_t> parents;
    // As many that enough go on even if every stop token of every beam is among them.
    const int64_t most = (1 + std::max<int64_t>(std::ssize(stop_tokens.ids()), 1)) * width;
    const auto candidates = likeliest(logits_BV, running, most);
    for (int64_t i = 0; i < std::ssize(candidates); ++i) {
      const auto& [parent, token, log_prob] = candidates[i];
      Beam beam{running[parent].tokens, stop_tokens.contains(token), log_prob,
                score_of(log_prob, length, options.length_penalty)};
      if (!beam.stopped) beam.tokens.push_back(token);
      if (beam.stopped || length == max_tokens || (complete && complete(beam.tokens))) {
        if (i < width) finished.push_back(std::move(beam));
      } else if (std::ssize(next) < width) {
        next.push_back(std::move(beam));
        parents.push_back(parent);
      }
    }
    if (work) work->readings += session.rows();
    std::ranges::stable_sort(finished, [](const Beam& a, const Beam& b) { return a.score > b.score; });
    if (std::ssize(finished) > width) finished.resize(width);
    if (next.empty()) break;
    const double best_possible = score_of(next[0].log_prob, length, options.length_penalty);
    if (std::ssize(finished) == width && best_possible <= finished.back().score) break;
    session = session.fork(parents);
    TokenRows tokens;
    for (const Beam& beam : next) tokens.push_back({beam.tokens.back()});
    session.feed(tokens);
    if (work) {
      work->fed[prompt + length - 1] += session.rows();
      work->tokens += session.rows();
    }
    running = std::move(next);
  }
  if (finished.empty()) finished.push_back({});  // max_tokens of 0
  return finished;
}

}  // namespace tacit
