#pragma once

#include <string_view>

namespace tacit {

inline constexpr std::string_view version = "0.1.0";  // as project(VERSION) in the top CMakeLists.txt

}  // namespace tacit
