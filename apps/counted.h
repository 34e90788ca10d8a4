#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tacit {

// "1 layer", "2 layers"
inline std::string counted(int64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

}  // namespace tacit
