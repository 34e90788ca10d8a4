#include "lib/memory/static_training_memory.h"

#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "lib/core/error.h"
#include "lib/memory/training_memory.h"

using namespace tacit;

namespace {

constexpr int64_t kTrainedHeads = 4, kTrainedKvHeads = 2, kTrainedSize = 6, kRows = 3;

MemoryLayer layer_of(MemoryLayer::Kind kind, bool values_in_keys = false) {
  MemoryLayer out;
  out.kind = kind;
  out.kv_heads = kTrainedKvHeads;
  out.key_size = kTrainedSize;
  out.value_size = values_in_keys ? 4 : kTrainedSize;
  out.values_in_keys = values_in_keys;
  out.window = kind == MemoryLayer::Kind::window ? 3 : 0;
  return out;
}

Padding known(const std::vector<int64_t>& begins) { return {begins, at::tensor(begins, at::kLong)}; }

struct Asked {
  at::Tensor q, k, v;
};

Asked random_segment(int64_t width) {
  const auto of = [&](int64_t heads) {
    return at::randn({kRows, heads, width, kTrainedSize}, at::kDouble).requires_grad_(true);
  };
  return {of(kTrainedHeads), of(kTrainedKvHeads), of(kTrainedKvHeads)};
}

// [B, H, T, E], row b's tokens being its last counts[b] columns -> [1, H, N, E]
at::Tensor packed(const at::Tensor& x, const std::vector<int64_t>& counts) {
  std::vector<at::Tensor> rows;
  for (int64_t b = 0; b < kRows; ++b) rows.push_back(x[b].narrow(1, x.size(2) - counts[b], counts[b]));
  return at::cat(rows, 1).unsqueeze(0);
}

}  // namespace

TEST_CASE("a packed static memory finds what the padded, concatenating one finds, with the same gradients") {
  const std::vector<int64_t> begins = {0, 4, 2}, full = {6, 2, 4}, ones = {1, 1, 1};
  for (const bool values_in_keys : {false, true}) {
    for (const auto kind : {MemoryLayer::Kind::full, MemoryLayer::Kind::window}) {
      const MemoryLayer layer = layer_of(kind, values_in_keys);
      TrainingMemory plain({layer}, begins, at::kCPU);
      StaticTrainingMemory memory({layer}, known(begins), 8, at::TensorOptions(at::kDouble));
      std::vector<Asked> asked;
      at::Tensor plain_sum = at::zeros({}, at::kDouble), sum = plain_sum;
      for (const auto& counts : {full, ones, ones}) {
        const Asked s = random_segment(*std::ranges::max_element(counts));
        asked.push_back(s);
        const at::Tensor no_values;
        CHECK(at::equal(memory.open_packed(counts).squeeze(0),
                        packed(plain.open(s.q.size(2)).view({kRows, 1, -1, 1}), counts).flatten()));
        const at::Tensor expected =
            packed(plain.attend(0, s.q, s.k, values_in_keys ? no_values : s.v, {.scale = 0.5}), counts);
        const at::Tensor found = memory.attend(0, packed(s.q, counts), packed(s.k, counts),
                                               values_in_keys ? no_values : packed(s.v, counts), {.scale = 0.5});
        CHECK(at::allclose(found, expected, 1e-10, 1e-12));
        const at::Tensor weight = at::randn_like(expected);
        plain_sum = plain_sum + (expected * weight).sum();
        sum = sum + (found * weight).sum();
        plain.close();
        memory.close();
      }
      std::vector<at::Tensor> inputs;
      for (const Asked& s : asked) {
        inputs.insert(inputs.end(), {s.q, s.k});
        if (!values_in_keys) inputs.push_back(s.v);
      }
      const auto expected = torch::autograd::grad({plain_sum}, inputs), got = torch::autograd::grad({sum}, inputs);
      for (size_t i = 0; i < inputs.size(); ++i) CHECK(at::allclose(got[i], expected[i], 1e-10, 1e-12));
    }
  }
}

TEST_CASE("queries of a padded segment's last column alone find what all find there, with the same gradients") {
  const std::vector<int64_t> equal = {2, 2, 2}, ragged = {0, 4, 2};
  for (const auto& begins : {equal, ragged}) {
    for (const auto kind : {MemoryLayer::Kind::full, MemoryLayer::Kind::window}) {
      StaticTrainingMemory whole({layer_of(kind)}, known(begins), 7, at::TensorOptions(at::kDouble));
      StaticTrainingMemory narrow({layer_of(kind)}, known(begins), 7, at::TensorOptions(at::kDouble));
      const Asked prompt = random_segment(6), next = random_segment(1);
      CHECK(at::equal(whole.open(6), narrow.open(6)));
      const at::Tensor of_all = whole.attend(0, prompt.q, prompt.k, prompt.v, {.scale = 0.5}).narrow(2, 5, 1);
      const auto ask_narrow = [&] {
        return narrow.attend(0, prompt.q.index_select(2, narrow.last_N()), prompt.k, prompt.v, {.scale = 0.5});
      };
      const at::Tensor of_last = ask_narrow();
      CHECK(at::allclose(of_last, of_all, 1e-10, 1e-12));
      const at::Tensor weight = at::randn_like(of_all);
      at::Tensor all_sum = (of_all * weight).sum(), last_sum = (of_last * weight).sum();
      const int64_t segment = narrow.segment();
      for (auto [memory, sum] : {std::pair{&whole, &all_sum}, std::pair{&narrow, &last_sum}}) {
        memory->close();
        memory->open(1);  // sees the keys of all of the prompt
        *sum = *sum + memory->attend(0, next.q, next.k, next.v, {.scale = 0.5}).square().sum();
        memory->close();
      }
      const std::vector<at::Tensor> inputs = {prompt.q, prompt.k, prompt.v, next.q, next.k, next.v};
      const auto expected = torch::autograd::grad({all_sum}, inputs), got = torch::autograd::grad({last_sum}, inputs);
      for (size_t i = 0; i < inputs.size(); ++i) CHECK(at::allclose(got[i], expected[i], 1e-10, 1e-12));
      narrow.reopen(segment);
      CHECK(at::equal(ask_narrow(), of_last));
    }
  }
}

TEST_CASE("a copy without gradient goes on by itself and leaves the memory alone") {
  const std::vector<int64_t> begins = {0, 1, 2}, full = {4, 3, 2}, ones = {1, 1, 1};
  StaticTrainingMemory memory({layer_of(MemoryLayer::Kind::full)}, known(begins), 6, at::TensorOptions(at::kDouble));
  const Asked prompt = random_segment(4), own = random_segment(1), other = random_segment(1);
  const auto ask = [&](StaticTrainingMemory& of, const Asked& s, const std::vector<int64_t>& counts) {
    of.open_packed(counts);
    const at::Tensor found =
        of.attend(0, packed(s.q, counts), packed(s.k, counts), packed(s.v, counts), {.scale = 0.5});
    of.close();
    return found;
  };
  ask(memory, prompt, full);
  const auto copy = memory.without_gradient(), same = memory.without_gradient();
  {
    const at::NoGradGuard no_grad;
    ask(*copy, other, ones);
  }
  const at::Tensor found = ask(memory, own, ones);
  {
    const at::NoGradGuard no_grad;
    CHECK(at::allclose(ask(*same, own, ones), found));
  }
  CHECK_THROWS_WITH_AS(ask(*copy, own, ones), doctest::Contains("[attend] expected no gradient"), Error);
}

TEST_CASE("segments that do not fit are refused") {
  const std::vector<int64_t> begins = {0, 1, 0}, uneven = {2, 2, 2}, even = {2, 1, 2}, ragged = {1, 0, 1};
  StaticTrainingMemory a({layer_of(MemoryLayer::Kind::full)}, known(begins), 4, at::TensorOptions(at::kDouble));
  CHECK_THROWS_WITH_AS(a.open_packed(uneven),
                       doctest::Contains("expected prompts that end in one column but row 0 ends in 2, not 3"), Error);
  CHECK_THROWS_WITH_AS(a.open(5), doctest::Contains("expected at most 4 more columns but got 5"), Error);
  a.open_packed(even);
  a.close();
  a.open_packed(ragged);
  CHECK_THROWS_WITH_AS(a.last_N(), doctest::Contains("expected a packed segment with a token in every row"), Error);
  a.close();
  CHECK_THROWS_WITH_AS(a.open(1), doctest::Contains("expected no segment behind a ragged one"), Error);
  MemoryLayer state;
  state.kind = MemoryLayer::Kind::state;
  state.states = {{2}};
  StaticTrainingMemory with_state({state}, known(begins), 4, at::TensorOptions(at::kFloat));
  CHECK_THROWS_WITH_AS(with_state.open_packed(even), doctest::Contains("expected a padded segment"), Error);
}
