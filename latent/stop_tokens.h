#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace tacit {

// Tokens any of which ends a text without being part of it; none = only a length does.
class StopTokens {
 public:
  StopTokens() = default;
  StopTokens(int64_t token) : ids_{token} {}
  StopTokens(std::vector<int64_t> ids) : ids_(std::move(ids)) {}

  bool empty() const { return ids_.empty(); }
  bool contains(int64_t token) const { return std::ranges::find(ids_, token) != ids_.end(); }
  const std::vector<int64_t>& ids() const { return ids_; }

 private:
  std::vector<int64_t> ids_;
};

}  // namespace tacit
