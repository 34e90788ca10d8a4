#include "decoding/thought_text.h"

#include "latent/session.h"
#include "lib/core/error.h"

namespace tacit {

Decoded decode_thought(const std::shared_ptr<const Transformer>& decoder, const at::Tensor& thought_VD,
                       const DecodeOptions& options) {
  require(thought_VD.dim() == 2 && thought_VD.size(0) >= 1, "decode_thought",
          "expected vectors of shape [V, D] but got ", shape_text(thought_VD.sizes()));
  Session session(decoder, {.capacity = thought_VD.size(0) + options.max_tokens});
  session.feed_vectors(thought_VD.unsqueeze(0));
  return decode(session, options)[0];
}

}  // namespace tacit
