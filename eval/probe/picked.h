#pragma once

#include <cstdint>
#include <vector>

namespace tacit::probe {

// labels[i] for every i of `index`, as index_select takes rows.
inline std::vector<int64_t> picked(const std::vector<int64_t>& labels, const std::vector<int64_t>& index) {
  std::vector<int64_t> out;
  for (const int64_t i : index) out.push_back(labels[i]);
  return out;
}

}  // namespace tacit::probe
