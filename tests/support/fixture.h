#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <string>
#include <vector>

#include "lib/core/json.h"

namespace tacit::test {

// A folder of tests/parity/fixtures.
inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(TACIT_SOURCE_DIR) / "tests/parity/fixtures" / name;
}

inline Json expected_of(const std::string& name) { return read_json(fixture(name) / "expected.json", "test"); }

// Nested arrays of numbers, fp32.
inline at::Tensor tensor_of(const Json& rows) {
  if (!rows[0].is_array()) return at::tensor(rows.get<std::vector<float>>());
  std::vector<at::Tensor> parts;
  for (const Json& row : rows) parts.push_back(tensor_of(row));
  return at::stack(parts);
}

inline constexpr double kFp32Near = 2e-5;  // sums in another order, a few layers deep

// Largest difference relative to the size of the expected values.
inline double relative_error(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kDouble) - expected.to(at::kDouble)).abs().max() / expected.to(at::kDouble).abs().max())
      .item<double>();
}

}  // namespace tacit::test
