#pragma once

#include "lib/core/json.h"

namespace tacit {

// parse_json_unique that also fails on a whole number beyond 64 bits, which would be rounded to a double: of problems,
// whose every digit counts. The error says on which of several lines.
Json parse_json_exact(std::string_view text, std::string_view operation, std::string_view source, int max_depth = 64);
Json read_json_exact(const std::filesystem::path& path, std::string_view operation);

}  // namespace tacit
