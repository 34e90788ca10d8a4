#pragma once

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <vector>

#include "lib/kernels/decode_attention/decode_attention.h"
#include "lib/kernels/decode_attention/decode_attention_reference.h"
#include "lib/kernels/tensors.h"
#include "tests/support/guarded.h"

namespace tacit::test {

struct DecodeAttentionCase {
  at::DeviceType device;
  at::ScalarType dtype;
  double tolerance;  // of the largest |y|; bf16: half a unit in the last place (2^-8) and a little
};

struct DecodeAttentionShape {
  int64_t rows = 3, heads = 4, kv_heads = 2, key_size = 64, value_size = 64, columns = 37;
  bool values_in_keys = false, shared = false, masked = false;
};

inline void check_decode_attention(const DecodeAttentionCase& entry, const DecodeAttentionShape& shape) {
  const uint64_t seed = std::random_device()();
  CAPTURE(c10::toString(entry.dtype));
  CAPTURE(shape.key_size);
  CAPTURE(shape.value_size);
  CAPTURE(shape.columns);
  CAPTURE(shape.kv_heads);
  CAPTURE(shape.values_in_keys);
  CAPTURE(shape.shared);
  CAPTURE(shape.masked);
  CAPTURE(seed);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  std::mt19937_64 draw(seed);
  const int64_t B = shape.rows, C = shape.columns, memories = shape.shared ? 1 : B;
  const auto random = [&](at::IntArrayRef sizes) {
    return at::randn(sizes, generator, at::kDouble).to(entry.device, entry.dtype);
  };
  std::vector<int64_t> stored(B);
  for (int64_t& s : stored) s = static_cast<int64_t>(draw() % static_cast<uint64_t>(C + 1));
  stored.back() = C;
  DecodeAttentionTensors t;
  t.scale = 1 / std::sqrt(static_cast<double>(shape.key_size));
  t.value_size = shape.value_size;
  t.q_BHE = random({B, shape.heads, shape.key_size});
  t.k_BGCE = random({memories, shape.kv_heads, C, shape.key_size});
  if (!shape.values_in_keys) t.v_BGCE = random({memories, shape.kv_heads, C, shape.value_size});
  t.stored_B = at::tensor(stored, at::kLong).to(entry.device);
  if (shape.masked) t.seen_BC = (at::rand({B, C}, generator) < 0.5).to(entry.device);
  if (!shape.shared) {  // what nobody sees may hold anything
    for (int64_t b = 0; b < B; ++b) {
      t.k_BGCE[b].slice(1, stored[b]).fill_(std::numeric_limits<double>::quiet_NaN());
      if (!shape.values_in_keys) t.v_BGCE[b].slice(1, stored[b]).fill_(std::numeric_limits<double>::quiet_NaN());
    }
  }
  const Guarded y({B, shape.heads, shape.value_size}, t.q_BHE.options());
  const auto run = [&](int64_t first, int64_t rows, void* out) {
    const auto from = [&](const at::Tensor& x) { return x.defined() ? x.narrow(0, first, rows) : x; };
    const at::Tensor k = shape.shared ? t.k_BGCE : from(t.k_BGCE), v = shape.shared ? t.v_BGCE : from(t.v_BGCE);
    decode_attention({.rows = rows,
                      .heads = shape.heads,
                      .kv_heads = shape.kv_heads,
                      .key_size = shape.key_size,
                      .value_size = shape.value_size,
                      .columns = C,
                      .scalar = kernel_scalar(t.q_BHE, "test"),
                      .scale = static_cast<float>(t.scale),
                      .q_BHE = from(t.q_BHE).const_data_ptr(),
                      .k_BGCE = k.const_data_ptr(),
                      .v_BGCE = v.defined() ? v.const_data_ptr() : nullptr,
                      .shared = shape.shared,
                      .stored_B = from(t.stored_B).const_data_ptr<int64_t>(),
                      .seen_BC = t.seen_BC.defined() ? from(t.seen_BC).const_data_ptr<bool>() : nullptr,
                      .y_BHE = out},
                     kernel_place(t.q_BHE, "test"));
  };
  run(0, B, y.data());
  DecodeAttentionTensors wide = t;
  for (at::Tensor* x : {&wide.q_BHE, &wide.k_BGCE, &wide.v_BGCE}) {
    if (x->defined()) *x = x->to(at::kDouble);
  }
  const at::Tensor want = decode_attention_reference(wide);
  CHECK(((y.tensor().to(at::kDouble) - want).abs().max() / want.abs().max()).item<double>() <= entry.tolerance);
  CHECK(y.intact());
  for (int64_t b = 0; b < B; ++b) {  // alone
    const at::Tensor one = at::empty({1, shape.heads, shape.value_size}, t.q_BHE.options());
    run(b, 1, one.data_ptr());
    CHECK(at::equal(one[0], y.tensor()[b]));
  }
}

inline void check_decode_attention_everywhere(const DecodeAttentionCase& entry) {
  for (const int64_t kv_heads : {1, 2, 4}) {
    for (const int64_t columns : {1, 2, 15, 16, 17, 100}) {
      check_decode_attention(entry, {.kv_heads = kv_heads, .columns = columns});
    }
    for (const int64_t size : {1, 2, 7, 8, 24, 80, 128, 200}) {
      check_decode_attention(entry, {.kv_heads = kv_heads, .key_size = size, .value_size = size});
      check_decode_attention(entry, {.kv_heads = kv_heads, .key_size = size, .value_size = 36, .masked = true});
    }
    check_decode_attention(entry, {.kv_heads = kv_heads, .shared = true, .masked = true});
    check_decode_attention(entry, {.kv_heads = kv_heads, .shared = true});
  }
  check_decode_attention(entry, {.heads = 8, .kv_heads = 1, .key_size = 72, .value_size = 64, .values_in_keys = true});
  check_decode_attention(entry, {.rows = 40, .heads = 12, .kv_heads = 12, .columns = 700});  // several threads
}

}  // namespace tacit::test
