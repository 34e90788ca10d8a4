#pragma once

#include <memory>
#include <string>

#include "lib/core/json.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {

// The tokenizer that a tokenizer.json of this content is; `source` stands in errors.
std::shared_ptr<const Tokenizer> tokenizer_from_json(const Json& json, const std::string& source);

}  // namespace tacit
