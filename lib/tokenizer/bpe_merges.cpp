#include "lib/tokenizer/bpe_merges.h"

#include <algorithm>
#include <array>
#include <bit>
#include <queue>
#include <tuple>

namespace tacit {
namespace {

constexpr size_t kScanLimit = 48;  // symbols; up to here a scan for the lowest rank beats a heap

uint64_t key_of(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

}  // namespace

BpeMerges::BpeMerges(size_t most_rules) : slots_(std::bit_ceil(2 * most_rules + 2)) {}

size_t BpeMerges::slot_of(uint64_t pair) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = (pair * 0x9E3779B97F4A7C15) >> 20 & mask;
  while (slots_[slot].pair != pair && slots_[slot].pair != kEmpty) slot = (slot + 1) & mask;
  return slot;
}

void BpeMerges::set(int32_t left, int32_t right, Merge merge) {
  const uint64_t pair = key_of(left, right);
  slots_[slot_of(pair)] = {pair, merge};
}

BpeMerges::Merge BpeMerges::find(int32_t left, int32_t right) const {
  return slots_[slot_of(key_of(left, right))].merge;
}

void BpeMerges::apply(std::vector<int32_t>& symbols) const {
  if (symbols.size() <= kScanLimit)
    apply_by_scan(symbols);
  else
    apply_by_heap(symbols);
}

void BpeMerges::apply_by_scan(std::vector<int32_t>& symbols) const {
  std::array<Merge, kScanLimit> merges;  // of symbols i and i + 1
  size_t pairs = symbols.empty() ? 0 : symbols.size() - 1;
  for (size_t i = 0; i < pairs; ++i) merges[i] = find(symbols[i], symbols[i + 1]);
  while (pairs > 0) {
    size_t best = 0;
    for (size_t i = 1; i < pairs; ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    if (merges[best].rank == kNoRank) return;
    symbols[best] = merges[best].result;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    std::copy(merges.begin() + best + 1, merges.begin() + pairs, merges.begin() + best);
    --pairs;
    if (best < pairs) merges[best] = find(symbols[best], symbols[best + 1]);
    if (best > 0) merges[best - 1] = find(symbols[best - 1], symbols[best]);
  }
}

void BpeMerges::apply_by_heap(std::vector<int32_t>& symbols) const {
  constexpr int32_t kRemoved = -1;
  const auto size = static_cast<int32_t>(symbols.size());
  std::vector<int32_t> before(symbols.size()), after(symbols.size());
  using Candidate = std::tuple<int32_t, int32_t, int32_t, int32_t>;  // rank, position, left, right
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto propose = [&](int32_t left, int32_t right) {
    if (left < 0 || right >= size) return;
    const Merge merge = find(symbols[left], symbols[right]);
    if (merge.rank != kNoRank) queue.emplace(merge.rank, left, symbols[left], symbols[right]);
  };
  for (int32_t i = 0; i < size; ++i) {
    before[i] = i - 1;
    after[i] = i + 1;
    propose(i, i + 1);
  }
  while (!queue.empty()) {
    const auto [rank, position, left, right] = queue.top();
    queue.pop();
    const int32_t next = after[position];
    if (symbols[position] != left || next >= size || symbols[next] != right) continue;  // one of them was joined since
    symbols[position] = find(left, right).result;
    symbols[next] = kRemoved;
    after[position] = after[next];
    if (after[next] < size) before[after[next]] = position;
    propose(before[position], position);
    propose(position, after[position]);
  }
  std::erase(symbols, kRemoved);
}

}  // namespace tacit
