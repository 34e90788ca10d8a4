#include "decoding/decode.h"

#include <algorithm>
#include <numeric>

#include "lib/core/error.h"

namespace tacit {

static std::vector<TokenChoice> chosen(Session& session, const DecodeOptions& options, int64_t position) {
  const at::Tensor logits_BV = session.logits_BV();
  std::vector<TokenChoice> out;
  if (options.sampling.temperature == 0 && !options.keep_log_probs) {
    for (const int64_t id : likeliest_tokens(logits_BV, "decode")) out.push_back({id, 0});
    return out;
  }
  std::vector<int64_t> all(session.rows());
  std::iota(all.begin(), all.end(), 0);
  const StepState state = session.state(all, /*step=*/0);
  std::vector<Rng> rngs;
  for (const int64_t b : all) rngs.push_back(answer_rng(options.seed, state.id(b), position));
  return choose_tokens(logits_BV, options.sampling, std::move(rngs), "decode");
}

std::vector<Decoded> decode(Session& session, const DecodeOptions& options) {
  require(options.max_tokens >= 0, "decode", "expected max_tokens of at least 0 but got ", options.max_tokens);
  std::vector<Decoded> out(session.rows());
  std::vector<char> done(session.rows(), 0);
  for (int64_t step = 0; step < options.max_tokens; ++step) {
    const std::vector<TokenChoice> choices = chosen(session, options, step);
    TokenRows next(session.rows());
    for (int64_t b = 0; b < session.rows(); ++b) {
      if (done[b]) continue;
      const TokenChoice& choice = choices[b];
      if (options.keep_log_probs) out[b].log_probs.push_back(choice.log_prob);
      if (options.stop_tokens.contains(choice.token)) out[b].stopped = true, done[b] = 1;
      if (done[b]) continue;
      next[b] = {choice.token};
      out[b].tokens.push_back(choice.token);
      done[b] = options.complete && options.complete(out[b].tokens);
    }
    if (std::ranges::all_of(next, [](const auto& fed) { return fed.empty(); })) break;
    if (session.reads_at_once()) break;  // read at once: nothing can follow
    for (int64_t b = 0; b < session.rows(); ++b) {
      require(next[b].empty() || session.lengths()[b] < session.capacity(), "decode",
              "expected room for the answer but row ", b, " is full after ", out[b].tokens.size() - 1,
              " tokens of it (capacity ", session.capacity(), ")");
    }
    session.feed(next);
    if (std::ranges::all_of(done, [](char d) { return d != 0; })) break;
  }
  return out;
}

}  // namespace tacit
