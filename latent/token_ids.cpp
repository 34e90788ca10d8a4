#include "latent/token_ids.h"

#include "lib/core/error.h"

namespace tacit {

void require_token_ids(const ModelConfig& config, std::span<const int64_t> ids, int64_t row,
                       std::string_view operation) {
  for (size_t t = 0; t < ids.size(); ++t) {
    require(ids[t] >= 0 && ids[t] < config.vocab_size, operation, "expected token ids of 0 to ", config.vocab_size - 1,
            " but got ", ids[t], " in row ", row, ", position ", t);
  }
}

}  // namespace tacit
