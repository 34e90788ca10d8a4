#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>

#include "lib/core/error.h"

namespace tacit {

// Fails where an array that a kernel reads or writes is null.
inline void require_arrays(std::string_view operation,
                           std::initializer_list<std::pair<const char*, const void*>> arrays) {
  for (const auto& [name, array] : arrays) require(array != nullptr, operation, "expected ", name, " but it is null");
}

}  // namespace tacit
