#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

namespace tacit::test {

// Path of a file or folder of the public test data (TACIT_TEST_DATA), or nullopt, after a line that the test report
// counts as a skip, when it is absent.
std::optional<std::filesystem::path> data(std::string_view relative);

}  // namespace tacit::test
