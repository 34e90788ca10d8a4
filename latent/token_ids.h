#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "lib/model/config.h"

namespace tacit {

// Fails where a token is none of the model's vocabulary, naming it, `row` and its position.
void require_token_ids(const ModelConfig& config, std::span<const int64_t> ids, int64_t row,
                       std::string_view operation);

}  // namespace tacit
