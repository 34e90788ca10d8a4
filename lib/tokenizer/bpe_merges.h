#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tacit {

// The merge rules of byte-pair encoding: of all adjacent pairs with a rule, the one of lowest rank is joined first, the
// leftmost of equals first, until no rule applies.
class BpeMerges {
 public:
  static constexpr int32_t kNoRank = INT32_MAX;

  struct Merge {
    int32_t rank = kNoRank;
    int32_t result = 0;
  };

  explicit BpeMerges(size_t most_rules = 0);

  void set(int32_t left, int32_t right, Merge merge);  // replaces an earlier rule for the pair
  Merge find(int32_t left, int32_t right) const;       // rank kNoRank when there is no rule

  void apply(std::vector<int32_t>& symbols) const;

  // Calls `rule(left, right)` for each rule, in no order.
  template <class Rule>
  void for_each(const Rule& rule) const {
    for (const Slot& slot : slots_) {
      if (slot.pair != kEmpty) rule(static_cast<int32_t>(slot.pair >> 32), static_cast<int32_t>(slot.pair));
    }
  }

 private:
  struct Slot {
    uint64_t pair = kEmpty;
    Merge merge;
  };
  static constexpr uint64_t kEmpty = ~uint64_t{0};

  size_t slot_of(uint64_t pair) const;
  void apply_by_scan(std::vector<int32_t>& symbols) const;
  void apply_by_heap(std::vector<int32_t>& symbols) const;

  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
};

}  // namespace tacit
