#include "tests/support/test_data.h"

#include <iostream>

namespace tacit::test {

std::optional<std::filesystem::path> data(std::string_view relative) {
  const std::filesystem::path path = std::filesystem::path(TACIT_TEST_DATA) / relative;
  if (std::filesystem::exists(path)) return path;
  std::cout << "TACIT-SKIP: test data '" << relative << "' is absent" << std::endl;
  return std::nullopt;
}

}  // namespace tacit::test
