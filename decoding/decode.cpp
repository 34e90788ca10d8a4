#include "decoding/decode.h"

#include <algorithm>

#include "lib/core/error.h"

namespace tacit {

std::vector<Decoded> decode(Session& session, const DecodeOptions& options) {
  require(options.max_tokens >= 0, "decode", "expected max_tokens of at least 0 but got ", options.max_tokens);
  std::vector<Decoded> out(session.rows());
  std::vector<char> done(session.rows(), 0);
  for (int64_t step = 0; step < options.max_tokens; ++step) {
    const std::vector<int64_t> ids = likeliest_tokens(session.logits_BV(), "decode");
    TokenRows next(session.rows());
    for (int64_t b = 0; b < session.rows(); ++b) {
      if (!done[b] && options.stop_token && ids[b] == *options.stop_token) out[b].stopped = true, done[b] = 1;
      if (done[b]) continue;
      next[b] = {ids[b]};
      out[b].tokens.push_back(ids[b]);
    }
    if (std::all_of(done.begin(), done.end(), [](char d) { return d != 0; })) break;
    if (session.model().config().bidirectional) break;  // read at once: nothing can follow
    session.feed(next);
  }
  return out;
}

}  // namespace tacit
