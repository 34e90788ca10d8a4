#pragma once

#include <filesystem>
#include <string_view>

#include "lib/core/error.h"

namespace tacit {

// Fails unless a file is there, saying what it was to hold ("problems") and whether a folder is in its place.
inline void require_data_file(const std::filesystem::path& path, std::string_view operation, std::string_view holds) {
  require(!std::filesystem::is_directory(path), operation, "expected a file of ", holds,
          " but got a folder: ", path.string());
  require(std::filesystem::is_regular_file(path), operation, "expected a file of ", holds, " but there is none at ",
          path.string());
}

}  // namespace tacit
