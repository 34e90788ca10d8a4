#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/decode_attention/decode_attention_backward.h"
#include "lib/kernels/decode_attention/decode_attention_reference.h"
#include "lib/kernels/tensors.h"
#include "tests/support/guarded.h"

namespace tacit::test {
namespace {

struct Shape {
  int64_t rows = 3, heads = 4, kv_heads = 2, key_size = 64, value_size = 64, columns = 37;
  bool masked = false;
};

void check_backward(at::ScalarType dtype, double tolerance, const Shape& shape) {
  const uint64_t seed = std::random_device()();
  INFO(std::string(c10::toString(dtype)), ", ", shape.heads, " heads on ", shape.kv_heads, ", sizes ", shape.key_size,
       " and ", shape.value_size, ", ", shape.columns, " columns, masked ", shape.masked, ", seed ", seed);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  std::mt19937_64 draw(seed);
  const int64_t B = shape.rows, C = shape.columns;
  const auto random = [&](at::IntArrayRef sizes) { return at::randn(sizes, generator).to(dtype); };
  DecodeAttentionTensors t;
  t.scale = 1 / std::sqrt(static_cast<double>(shape.key_size));
  t.q_BHE = random({B, shape.heads, shape.key_size});
  t.k_BGCE = random({B, shape.kv_heads, C, shape.key_size});
  t.v_BGCE = random({B, shape.kv_heads, C, shape.value_size});
  std::vector<int64_t> stored(B);
  for (int64_t& s : stored) s = 1 + static_cast<int64_t>(draw() % static_cast<uint64_t>(C));
  stored.back() = C;
  stored.front() = B > 2 ? 0 : stored.front();  // sees nothing
  t.stored_B = at::tensor(stored, at::kLong);
  if (shape.masked) {
    t.seen_BC = at::rand({B, C}, generator) < 0.5;
    t.seen_BC.select(1, 0).fill_(true);
  }
  const at::Tensor dy = random({B, shape.heads, shape.value_size});
  const Guarded dq(t.q_BHE.sizes(), t.q_BHE.options()), dk(t.k_BGCE.sizes(), t.k_BGCE.options()),
      dv(t.v_BGCE.sizes(), t.v_BGCE.options());
  const at::Tensor dk_before = random(t.k_BGCE.sizes()), dv_before = random(t.v_BGCE.sizes());
  dk.tensor().copy_(dk_before);
  dv.tensor().copy_(dv_before);

  DecodeAttentionTensors wide = t;
  for (at::Tensor* x : {&wide.q_BHE, &wide.k_BGCE, &wide.v_BGCE}) *x = x->to(at::kDouble).requires_grad_(true);
  decode_attention_reference(wide).backward(dy.to(at::kDouble));

  const auto sees = [&](int64_t b, int64_t c) {
    return c < stored[b] && (!shape.masked || t.seen_BC[b][c].item<bool>());
  };
  for (int64_t b = 0; b < B; ++b) {  // what nobody sees may hold anything
    for (int64_t c = 0; c < C; ++c) {
      if (sees(b, c)) continue;
      t.k_BGCE[b].select(1, c).fill_(std::numeric_limits<double>::quiet_NaN());
      t.v_BGCE[b].select(1, c).fill_(std::numeric_limits<double>::quiet_NaN());
    }
  }
  decode_attention_backward({.forward = {.rows = B,
                                         .heads = shape.heads,
                                         .kv_heads = shape.kv_heads,
                                         .key_size = shape.key_size,
                                         .value_size = shape.value_size,
                                         .columns = C,
                                         .scalar = kernel_scalar(t.q_BHE, "test"),
                                         .scale = static_cast<float>(t.scale),
                                         .q_BHE = t.q_BHE.const_data_ptr(),
                                         .k_BGCE = t.k_BGCE.const_data_ptr(),
                                         .v_BGCE = t.v_BGCE.const_data_ptr(),
                                         .stored_B = t.stored_B.const_data_ptr<int64_t>(),
                                         .seen_BC = t.seen_BC.defined() ? t.seen_BC.const_data_ptr<bool>() : nullptr},
                             .dy_BHE = dy.const_data_ptr(),
                             .dq_BHE = dq.data(),
                             .dk_BGCE = dk.data(),
                             .dv_BGCE = dv.data()});
  const auto near = [&](const at::Tensor& got, const at::Tensor& want) {  // a query that sees one column has a zero
    const double size = std::max(want.abs().max().item<double>(), 1.0);
    return (got.to(at::kDouble) - want).abs().max().item<double>() <= tolerance * size;
  };
  CHECK(near(dq.tensor(), wide.q_BHE.grad()));
  CHECK(near(dk.tensor(), wide.k_BGCE.grad() + dk_before));
  CHECK(near(dv.tensor(), wide.v_BGCE.grad() + dv_before));
  CHECK(dq.intact());
  CHECK(dk.intact());
  CHECK(dv.intact());
  for (int64_t b = 0; b < B; ++b) {  // left alone to the bit
    for (int64_t c = 0; c < C; ++c) {
      if (sees(b, c)) continue;
      CHECK(at::equal(dk.tensor()[b].select(1, c), dk_before[b].select(1, c)));
      CHECK(at::equal(dv.tensor()[b].select(1, c), dv_before[b].select(1, c)));
    }
  }
}

}  // namespace

TEST_CASE("decode_attention's gradients are those of its twin in fp64, at any size, and are added up") {
  for (const auto& [dtype, tolerance] :
       {std::pair<at::ScalarType, double>{at::kFloat, 5e-6}, {at::kBFloat16, 0.0045}}) {
    for (const int64_t kv_heads : {1, 2, 4}) {
      for (const int64_t columns : {1, 2, 7, 8, 9, 100}) {
        check_backward(dtype, tolerance, {.kv_heads = kv_heads, .columns = columns});
        check_backward(dtype, tolerance, {.kv_heads = kv_heads, .columns = columns, .masked = true});
      }
      for (const int64_t size : {1, 7, 8, 24, 80}) {
        check_backward(dtype, tolerance, {.kv_heads = kv_heads, .key_size = size, .value_size = 36, .masked = true});
      }
    }
    check_backward(dtype, tolerance, {.rows = 20, .heads = 12, .kv_heads = 12, .columns = 100});  // several threads
  }
}

TEST_CASE("decode_attention's backward pass refuses what it cannot do") {
  alignas(64) float x[64] = {}, y[64] = {};
  const int64_t stored[] = {1};
  const DecodeAttentionBackwardArgs good{.forward = {.rows = 1,
                                                     .heads = 1,
                                                     .kv_heads = 1,
                                                     .key_size = 4,
                                                     .value_size = 4,
                                                     .columns = 2,
                                                     .q_BHE = x,
                                                     .k_BGCE = x,
                                                     .v_BGCE = x,
                                                     .stored_B = stored},
                                         .dy_BHE = x,
                                         .dq_BHE = y,
                                         .dk_BGCE = y + 16,
                                         .dv_BGCE = y + 32};
  CHECK_NOTHROW(decode_attention_backward(good));
  const std::vector<std::pair<std::function<void(DecodeAttentionBackwardArgs&)>, std::string>> cases = {
      {[](auto& a) { a.forward.v_BGCE = nullptr; }, "values of their own"},
      {[](auto& a) { a.forward.shared = true; }, "values of their own, by row"},
      {[](auto& a) { a.forward.k_BGCE = nullptr; }, "k_BGCE is null"},
      {[](auto& a) { a.dy_BHE = nullptr; }, "but one is null"},
      {[](auto& a) { a.dq_BHE = nullptr; }, "but one is null"},
      {[](auto& a) { a.dk_BGCE = nullptr; }, "but one is null"},
      {[](auto& a) { a.dv_BGCE = nullptr; }, "but one is null"},
  };
  for (const auto& [spoil, message] : cases) {
    DecodeAttentionBackwardArgs bad = good;
    spoil(bad);
    CHECK_THROWS_WITH_AS(decode_attention_backward(bad), doctest::Contains(message.c_str()), Error);
  }
}

}  // namespace tacit::test
