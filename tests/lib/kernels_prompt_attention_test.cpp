#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/prompt_attention/prompt_attention.h"
#include "lib/kernels/prompt_attention/prompt_attention_reference.h"
#include "lib/kernels/prompt_attention/query_block.h"
#include "lib/kernels/tensors.h"
#include "tests/support/kernel_checks.h"

namespace tacit::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Prompt {
  at::Tensor q_BHTE, k_BGSE, v_BGSE, seen_BT;
};

void run(const Prompt& p, void* y, double scale = 0.3) {
  const auto strides = [](const at::Tensor& x) {
    return PromptAttentionArgs::Strides{x.stride(0), x.stride(1), x.stride(2)};
  };
  const at::Tensor seen = p.seen_BT.contiguous();
  prompt_attention({.rows = p.q_BHTE.size(0),
                    .heads = p.q_BHTE.size(1),
                    .kv_heads = p.k_BGSE.size(1),
                    .queries = p.q_BHTE.size(2),
                    .key_size = p.q_BHTE.size(3),
                    .value_size = p.v_BGSE.size(3),
                    .scalar = kernel_scalar(p.q_BHTE, "test"),
                    .scale = static_cast<float>(scale),
                    .q_BHTE = p.q_BHTE.const_data_ptr(),
                    .k_BGSE = p.k_BGSE.const_data_ptr(),
                    .v_BGSE = p.v_BGSE.const_data_ptr(),
                    .q = strides(p.q_BHTE),
                    .k = strides(p.k_BGSE),
                    .v = strides(p.v_BGSE),
                    .seen_BT = seen.const_data_ptr<int64_t>(),
                    .y_BTHE = y});
}
at::Tensor found(const Prompt& p) {
  const at::Tensor y =
      at::empty({p.q_BHTE.size(0), p.q_BHTE.size(2), p.q_BHTE.size(1), p.v_BGSE.size(3)}, p.q_BHTE.options());
  run(p, y.data_ptr());
  return y;
}

struct Shape {
  int64_t rows, heads, kv_heads, queries, key_size, value_size, columns;
};

// Queries as a model has them, [B, T, H, E] turned; of columns that none sees all are NaN.
Prompt prompt(const Shape& s, at::ScalarType dtype, std::mt19937_64& draw) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(draw());
  const auto random = [&](at::IntArrayRef sizes) { return at::randn(sizes, generator, at::kDouble).to(dtype); };
  std::vector<int64_t> seen;
  const int64_t most = s.columns - 3;
  for (int64_t i = 0; i < s.rows * s.queries; ++i) seen.push_back(static_cast<int64_t>(draw() % (most + 1)));
  Prompt p = {.q_BHTE = random({s.rows, s.queries, s.heads, s.key_size}).transpose(1, 2),
              .k_BGSE = random({s.rows, s.kv_heads, s.columns, s.key_size}),
              .v_BGSE = random({s.rows, s.kv_heads, s.columns, s.value_size}),
              .seen_BT = at::tensor(seen, at::kLong).view({s.rows, s.queries})};
  p.k_BGSE.slice(2, most).fill_(kNaN);
  p.v_BGSE.slice(2, most).fill_(kNaN);
  return p;
}

TEST_CASE("prompt_attention is its twin in fp64, and writes nothing else") {
  const Shape shapes[] = {{1, 1, 1, 1, 1, 1, 4},         {2, 3, 3, 5, 12, 12, 9},      {1, 4, 2, 37, 20, 16, 61},
                          {3, 2, 1, 70, 92, 93, 73},     {2, 6, 2, 16, 64, 64, 133},   {1, 2, 2, 300, 64, 64, 303},
                          {2, 4, 4, 33, 128, 128, 1031}, {1, 12, 12, 129, 64, 64, 132}};
  // Of an element, for its rounding (half a unit in the last place), and of the largest, for the sums.
  for (const auto& [dtype, own, largest] :
       {std::tuple(at::kFloat, 0.0, 4e-6), std::tuple(at::kBFloat16, 0.0040, 4e-6)}) {
    for (const Shape& s : shapes) {
      const uint64_t seed = std::random_device()();
      CAPTURE(seed);
      CAPTURE(s.queries);
      CAPTURE(c10::toString(dtype));
      std::mt19937_64 draw(seed);
      const Prompt p = prompt(s, dtype, draw);
      const int64_t kept = s.columns - 3;
      const at::Tensor want =
          prompt_attention_reference(p.q_BHTE.to(at::kDouble), p.k_BGSE.narrow(2, 0, kept).to(at::kDouble),
                                     p.v_BGSE.narrow(2, 0, kept).to(at::kDouble), p.seen_BT, static_cast<double>(0.3f));
      const Guarded y({s.rows, s.queries, s.heads, s.value_size}, p.q_BHTE.options());
      run(p, y.data());
      const at::Tensor most = want.abs() * own + want.abs().max() * largest;
      CHECK(((y.tensor() - want).abs() <= most).all().item<bool>());
      CHECK(y.intact());
    }
  }
}

TEST_CASE("prompt_attention takes values that lie in the keys") {
  std::mt19937_64 draw(std::random_device{}());
  Prompt p = prompt({2, 4, 1, 20, 24, 16, 30}, at::kFloat, draw);
  p.v_BGSE = p.k_BGSE.narrow(3, 0, 16);
  Prompt apart = p;
  apart.v_BGSE = p.v_BGSE.contiguous();
  CHECK(at::equal(found(p), found(apart)));
}

TEST_CASE("a query finds the same bits alone, in pieces, and beside other rows") {
  std::mt19937_64 draw(std::random_device{}());
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const Prompt p = prompt({3, 4, 2, 150, 64, 64, 160}, dtype, draw);
    const at::Tensor whole = found(p);
    for (int64_t b = 0; b < 3; ++b) {
      for (const auto& [first, last] : {std::pair<int64_t, int64_t>{0, 1}, {1, 8}, {8, 31}, {31, 150}}) {
        const auto part = [&, first = first, last = last](const at::Tensor& x, int64_t dim) {
          return x.narrow(0, b, 1).narrow(dim, first, last - first);
        };
        const at::Tensor alone =
            found({part(p.q_BHTE, 2), p.k_BGSE.narrow(0, b, 1), p.v_BGSE.narrow(0, b, 1), part(p.seen_BT, 1)});
        CHECK(at::equal(alone, part(whole, 1)));
      }
    }
  }
}

TEST_CASE("every instruction set that this CPU has attends to a prompt as the twin does") {
  const int64_t E = 23, V = 21, S = 77;
  const at::Tensor k = at::randn({S, E}), v = at::randn({S, V});
  for (const CpuVectors vectors : {CpuVectors::plain, CpuVectors::avx2, CpuVectors::avx512}) {
    if (vectors > cpu_vectors()) continue;
    CAPTURE(static_cast<int>(vectors));
    const AttendQueries kernel = attend_queries(vectors);
    const int64_t Q = kernel.queries;
    REQUIRE(Q <= kMostQueries);
    const at::Tensor q = at::randn({Q, E}), seen = at::randint(0, S + 1, {Q}, at::kInt);
    int32_t seen_Q[kMostQueries];
    std::copy_n(seen.const_data_ptr<int32_t>(), Q, seen_Q);
    const Guarded q_EQ({E, Q}, at::kFloat), scores({S, Q}, at::kFloat), factor({Q}, at::kFloat), y({V, Q}, at::kFloat);
    q_EQ.tensor().copy_(q.t());
    const auto at = [](const Guarded& x) { return static_cast<float*>(x.data()); };
    kernel.attend({.key_size = E,
                   .value_size = V,
                   .k_SE = k.const_data_ptr<float>(),
                   .v_SE = v.const_data_ptr<float>(),
                   .key_stride = E,
                   .value_stride = V,
                   .most_seen = S,
                   .seen_Q = seen_Q,
                   .q_EQ = at(q_EQ),
                   .scores_SQ = at(scores),
                   .factor_Q = at(factor),
                   .y_EQ = at(y)});
    const auto wide = [](const at::Tensor& x) { return x.to(at::kDouble).unsqueeze(0).unsqueeze(0); };
    const at::Tensor want = prompt_attention_reference(wide(q), wide(k), wide(v), seen.to(at::kLong).unsqueeze(0), 1.0);
    CHECK(scaled_error((y.tensor() * factor.tensor()).t(), want.squeeze(2).squeeze(0)) < 2e-6);
    for (const Guarded* array : {&q_EQ, &scores, &factor, &y}) CHECK(array->intact());
  }
}

TEST_CASE("prompt_attention keeps scores that are far apart, and NaN visible to those who see it") {
  Prompt p = {at::ones({1, 1, 3, 8}) * 40, at::ones({1, 1, 3, 8}) * 40, at::randn({1, 1, 3, 8}),
              at::tensor({1, 2, 3}, at::kLong).view({1, 3})};
  p.k_BGSE[0][0][1] *= -1;
  const at::Tensor y = found(p);
  CHECK(at::allclose(y[0][1][0], p.v_BGSE[0][0][0], 1e-6, 1e-6));
  CHECK(at::allclose(y[0][2][0], (p.v_BGSE[0][0][0] + p.v_BGSE[0][0][2]) / 2, 1e-6, 1e-6));
  p.k_BGSE[0][0][2][3] = kNaN;
  const at::Tensor with_nan = found(p);
  CHECK(at::equal(with_nan.narrow(1, 0, 2), y.narrow(1, 0, 2)));
  CHECK(with_nan[0][2].isnan().all().item<bool>());
}

TEST_CASE("prompt_attention of nothing touches nothing, and refuses what cannot be meant, saying which") {
  prompt_attention({.rows = 0, .heads = 1, .kv_heads = 1, .queries = 3, .key_size = 8, .value_size = 8});
  prompt_attention({.rows = 3, .heads = 1, .kv_heads = 1, .queries = 0, .key_size = 8, .value_size = 8});
  float x[8] = {}, y[8] = {};
  int64_t seen[1] = {1}, below[1] = {-1};
  const PromptAttentionArgs good = {.rows = 1,
                                    .heads = 1,
                                    .kv_heads = 1,
                                    .queries = 1,
                                    .key_size = 8,
                                    .value_size = 8,
                                    .q_BHTE = x,
                                    .k_BGSE = x,
                                    .v_BGSE = x,
                                    .seen_BT = seen,
                                    .y_BTHE = y};
  prompt_attention(good);
  const auto refuses = [&](const char* what, auto change) {
    PromptAttentionArgs args = good;
    change(args);
    try {
      prompt_attention(args);
      FAIL("accepted");
    } catch (const Error& error) {
      CAPTURE(error.what());
      CHECK(std::string(error.what()).find(what) != std::string::npos);
    }
  };
  refuses("3 and 2 heads", [](auto& a) { a.heads = 3, a.kv_heads = 2; });
  refuses("sizes of at least 1", [](auto& a) { a.value_size = 0; });
  refuses("v_BGSE", [](auto& a) { a.v_BGSE = nullptr; });
  refuses("but got -1", [&](auto& a) { a.seen_BT = below; });
}

}  // namespace
}  // namespace tacit::test
