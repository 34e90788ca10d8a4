#pragma once

#include <cstdint>
#include <string>

#include "lib/core/json.h"

namespace tacit {

// The texts of tests/parity/tokenizer_reference.py, which describes how they are made of mixed_text.json.
std::string mixed_text(const Json& spec);
std::string every_code_point(const Json& spec);

}  // namespace tacit
