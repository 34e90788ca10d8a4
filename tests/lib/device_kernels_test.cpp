#include "tests/support/emulated_device.h"
// The machine comes first.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "lib/kernels/decode_attention/decode_attention_reference.h"
#include "lib/kernels/decode_attention/split_attention.cuh"
#include "lib/kernels/packed_linear/packed_linear_reference.h"
#include "lib/kernels/packed_linear/skinny_linear.cuh"
#include "lib/kernels/tensors.h"

namespace tacit::test {
namespace {

using namespace device;

TEST_CASE("the emulated device shows a barrier that is missing, and one that not all threads reach") {
  if (!emulates()) return;
  const auto reverse = [](bool with_barrier) {
    int wrong = 0;
    EmulatedGrid(2, kThreads, kThreads, 3).run([&] {
      shared_memory()[thread()] = static_cast<float>(thread());
      if (with_barrier) sync_block();
      wrong += shared_memory()[kThreads - 1 - thread()] != static_cast<float>(kThreads - 1 - thread());
    });
    return wrong;
  };
  CHECK(reverse(true) == 0);
  CHECK(reverse(false) > 0);
  const auto uneven = [] {
    EmulatedGrid(1, kThreads, 4, 3).run([] {
      if (thread() > 0) sync_block();
    });
  };
  CHECK_THROWS_WITH_AS(uneven(), doctest::Contains("the others wait for each other"), Error);
  const auto told = [](uint32_t tag) {
    Tagged number = {0, 0};
    float seen = 0;
    EmulatedGrid(3, kThreads, 4, 3).run([&] {
      if (thread() != 0) return;
      if (block() == 2) return store_tagged(&number, 5, tag);
      while (load_tagged(&number).tag != 7) wait_for(&number, 7);
      seen += load_tagged(&number).value;
    });
    return seen;
  };
  CHECK(told(7) == 10);
  CHECK_THROWS_WITH_AS(told(6), doctest::Contains("wait for each other"), Error);
}

TEST_CASE("shares and items cover everything once") {
  for (int64_t total : {0, 1, 5, 131, 132, 133, 50257}) {
    for (int64_t parts : {1, 2, 7, 132}) {
      int64_t at = 0;
      for (int64_t p = 0; p < parts; ++p) {
        const Share mine = share(total, p, parts);
        CHECK(mine.begin == at);
        CHECK(mine.size() >= total / parts);
        CHECK(mine.size() <= divide_up(total, parts));
        at = mine.end;
      }
      CHECK(at == total);
    }
  }
  for (int outputs : {1, 4, 6, 18, 24, 381}) {
    for (int inputs : {1, 256, 257, 768, 3072}) {
      for (int at_once : {1, 3}) {
        const ProductItems all(outputs, inputs, at_once);
        CHECK(all.chunks * kChunk >= inputs);
        CHECK(all.groups * at_once >= all.chunks);
        CHECK((all.groups - 1) * at_once < all.chunks);
        CHECK(all.items == divide_up(outputs, kTile) * all.groups);
      }
    }
  }
  std::vector<int> seen(512, 0);
  for (int k = 0; k < 512; ++k) ++seen[x_place(k)];
  CHECK(std::ranges::all_of(seen, [](int n) { return n == 1; }));
  for (int64_t columns = 0; columns < 5000; ++columns) {
    CHECK(splits_of(columns) <= kMostSplits);
    CHECK(splits_of(columns) <= most_splits(columns + 3));
    CHECK(splits_of(columns) * split_columns(columns) >= columns);
  }
}

template <class T, int kRows, bool kVector>
at::Tensor linear_on(const at::Tensor& x_MI, const at::Tensor& weight_OI, const at::Tensor& bias_O, int blocks) {
  const int64_t outputs = weight_OI.size(0), inputs = weight_OI.size(1);
  const at::Tensor y_MO = at::full({x_MI.size(0), outputs}, NAN, x_MI.options());
  const SkinnyPlan plan = {static_cast<int>(x_MI.size(0)), static_cast<int>(outputs),
                           static_cast<int>(inputs),       x_MI.scalar_type() == at::kBFloat16,
                           weight_OI.const_data_ptr(),     bias_O.const_data_ptr(),
                           x_MI.const_data_ptr(),          y_MO.data_ptr()};
  EmulatedGrid(blocks, kThreads, skinny_floats<T>(outputs, inputs, kRows, blocks), outputs + inputs).run([&] {
    run_skinny_linear<T, kRows, kVector>(plan);
  });
  return y_MO;
}

TEST_CASE("the GPU's packed_linear, emulated, is its twin in fp64; its bits do not depend on how rows are grouped") {
  if (!emulates()) return;
  at::manual_seed(5);
  const struct {
    int64_t rows, outputs, inputs;
  } sizes[] = {{1, 64, 64}, {3, 100, 40}, {9, 30, 1000}, {2, 1, 264}, {5, 7, 8}};
  for (const auto& s : sizes) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      CAPTURE(s.outputs);
      CAPTURE(s.inputs);
      const at::Tensor x = at::randn({s.rows, s.inputs}).to(type), bias = at::randn({s.outputs}).to(type);
      const at::Tensor weight = at::randn({s.outputs, s.inputs}).to(type);
      const int blocks = s.outputs > 60 ? 3 : 1;
      const auto runs = [&](auto scalar) {
        using T = decltype(scalar);
        return std::vector<at::Tensor>{
            linear_on<T, 8, true>(x, weight, bias, blocks), linear_on<T, 1, true>(x, weight, bias, blocks),
            linear_on<T, 4, true>(x, weight, bias, blocks), linear_on<T, 8, false>(x, weight, bias, blocks)};
      };
      const std::vector<at::Tensor> got = type == at::kFloat ? runs(float{}) : runs(Bf16{});
      const at::Tensor want = packed_linear_reference(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble));
      const double error = ((got[0].to(at::kDouble) - want).abs().max() / want.abs().max()).item<double>();
      CHECK(error <= (type == at::kFloat ? 2e-6 : 0.00391));
      for (const at::Tensor& other : got) CHECK(at::equal(other, got[0]));
    }
  }
}

template <class T, int kPacks, bool kVector>
at::Tensor attention_on(const DecodeAttentionTensors& t, int64_t value_size) {
  const int64_t rows = t.q_BHE.size(0), heads = t.q_BHE.size(1);
  const at::Tensor y = at::full({rows, heads, value_size}, NAN, t.q_BHE.options());
  SplitPlan plan = {};
  plan.args.rows = rows;
  plan.args.heads = heads;
  plan.args.kv_heads = t.k_BGCE.size(1);
  plan.args.key_size = t.q_BHE.size(2);
  plan.args.value_size = value_size;
  plan.args.columns = t.k_BGCE.size(2);
  plan.args.scale = static_cast<float>(t.scale);
  plan.args.q_BHE = t.q_BHE.const_data_ptr();
  plan.args.k_BGCE = t.k_BGCE.const_data_ptr();
  plan.args.v_BGCE = t.v_BGCE.defined() ? t.v_BGCE.const_data_ptr() : nullptr;
  plan.args.shared = t.k_BGCE.size(0) == 1 && rows > 1;
  plan.args.stored_B = t.stored_B.const_data_ptr<int64_t>();
  plan.args.seen_BC = t.seen_BC.defined() ? t.seen_BC.const_data_ptr<bool>() : nullptr;
  plan.args.y_BHE = y.data_ptr();
  plan.splits = most_splits(plan.args.columns);
  std::vector<float> memory(rows * heads * plan.splits * (value_size + 2), NAN);
  plan.found = memory.data();
  plan.pairs = plan.found + rows * heads * plan.splits * value_size;
  const int units = static_cast<int>(rows * heads * plan.splits), all = static_cast<int>(rows * heads);
  EmulatedGrid(units, kThreads, split_floats(plan.args), 11).run([&] { run_splits<T, kPacks, kVector>(plan); });
  EmulatedGrid(all, kThreads, kMostSplits, 12).run([&] { run_join<T>(plan); });
  return y;
}

TEST_CASE("the GPU's decode_attention, emulated, is its twin in fp64") {
  if (!emulates()) return;
  at::manual_seed(6);
  const struct {
    int64_t heads, kv_heads, key_size, value_size, columns;
    bool in_keys, shared, masked;
  } shapes[] = {{4, 2, 64, 64, 150, false, false, false}, {2, 1, 24, 24, 37, false, false, true},
                {2, 2, 7, 36, 20, false, false, true},    {2, 1, 72, 64, 70, true, false, false},
                {2, 1, 16, 16, 700, false, true, false},  {1, 1, 320, 256, 9, true, false, false}};
  for (const auto& s : shapes) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      CAPTURE(s.key_size);
      CAPTURE(s.columns);
      const int64_t rows = 3, memories = s.shared ? 1 : rows;
      DecodeAttentionTensors t;
      t.scale = 1 / std::sqrt(static_cast<double>(s.key_size));
      t.value_size = s.value_size;
      t.q_BHE = at::randn({rows, s.heads, s.key_size}).to(type);
      t.k_BGCE = at::randn({memories, s.kv_heads, s.columns, s.key_size}).to(type);
      if (!s.in_keys) t.v_BGCE = at::randn({memories, s.kv_heads, s.columns, s.value_size}).to(type);
      t.stored_B = at::tensor({s.columns, s.columns / 2, int64_t{0}}, at::kLong);
      if (s.masked) t.seen_BC = at::rand({rows, s.columns}) < 0.5;
      const bool vector = s.key_size % 8 == 0 && s.value_size % 8 == 0;
      const auto run = [&](auto scalar) {
        using T = decltype(scalar);
        if (!vector) return attention_on<T, 3, false>(t, s.value_size);
        return s.key_size > 256 ? attention_on<T, 3, true>(t, s.value_size) : attention_on<T, 1, true>(t, s.value_size);
      };
      const at::Tensor got = type == at::kFloat ? run(float{}) : run(Bf16{});
      DecodeAttentionTensors wide = t;
      for (at::Tensor* x : {&wide.q_BHE, &wide.k_BGCE, &wide.v_BGCE}) {
        if (x->defined()) *x = x->to(at::kDouble);
      }
      const at::Tensor want = decode_attention_reference(wide);
      const double error = ((got.to(at::kDouble) - want).abs().max() / want.abs().max()).item<double>();
      CHECK(error <= (type == at::kFloat ? 2e-6 : 0.00391));
    }
  }
}

}  // namespace
}  // namespace tacit::test
