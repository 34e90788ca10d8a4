#include <string>

#include "lib/core/error.h"
#include "lib/kernels/decode_attention/attend_group.h"
#include "tests/lib/kernels_decode_attention_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("decode_attention on the CPU is its twin in fp64, and each row's is bitwise that of the row alone") {
  for (const auto& entry :
       {DecodeAttentionCase{at::kCPU, at::kFloat, 2e-6}, DecodeAttentionCase{at::kCPU, at::kBFloat16, 0.00391}}) {
    check_decode_attention_everywhere(entry);
  }
}

// One row: q [.., heads, E] over k and v [.., S, E], by one instruction set.
void attend(CpuVectors vectors, int64_t heads, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
            void* scores, void* split, void* y) {
  const int64_t E = k.size(-1);
  attend_group(kernel_scalar(k, "test"), vectors)({.heads = heads,
                                                   .key_size = E,
                                                   .value_size = E,
                                                   .k_SE = k.const_data_ptr(),
                                                   .v_SE = v.const_data_ptr(),
                                                   .key_stride = E,
                                                   .value_stride = E,
                                                   .stored = k.size(-2),
                                                   .scale = 0.3f,
                                                   .q_HE = q.const_data_ptr<float>(),
                                                   .scores_S = static_cast<float*>(scores),
                                                   .q_split_E = static_cast<float*>(split),
                                                   .y_HE = static_cast<float*>(y)});
}

TEST_CASE("every instruction set that this CPU has attends as the twin does") {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const int64_t H = 3, E = 92, S = 53;
    const at::Tensor q = at::randn({1, H, E}), k = at::randn({1, 1, S, E}).to(type),
                     v = at::randn({1, 1, S, E}).to(type);
    const at::Tensor want = decode_attention_reference({.q_BHE = q.to(at::kDouble),
                                                        .k_BGCE = k.to(at::kDouble),
                                                        .v_BGCE = v.to(at::kDouble),
                                                        .stored_B = at::full({1}, S, at::kLong),
                                                        .scale = 0.3});
    for (const CpuVectors vectors : {CpuVectors::plain, CpuVectors::avx2, CpuVectors::avx512}) {
      if (vectors > cpu_vectors()) continue;
      CAPTURE(static_cast<int>(vectors));
      const Guarded y({1, H, E}, at::kFloat), scores({S}, at::kFloat), split({E}, at::kFloat);
      attend(vectors, H, q, k, v, scores.data(), split.data(), y.data());
      CHECK(((y.tensor() - want).abs().max() / want.abs().max()).item<double>() < 2e-6);
      CHECK(y.intact());
      CHECK(scores.intact());
      CHECK(split.intact());
    }
  }
}

TEST_CASE("a column's score has the same bits whatever stands beside it") {
  // Equal keys have equal scores, and e^0 is 1; of 53 columns some are scored together and some alone.
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const int64_t E = 93, S = 53;
    const at::Tensor q = at::randn({E}), v = at::randn({S, E}).to(type),
                     k = at::randn({1, E}).to(type).expand({S, E}).contiguous();
    for (const CpuVectors vectors : {CpuVectors::plain, CpuVectors::avx2, CpuVectors::avx512}) {
      if (vectors > cpu_vectors()) continue;
      CAPTURE(static_cast<int>(vectors));
      const at::Tensor y = at::empty({E}), scores = at::empty({S}), split = at::empty({E});
      attend(vectors, /*heads=*/1, q, k, v, scores.data_ptr(), split.data_ptr(), y.data_ptr());
      CHECK(scores.eq(1).all().item<bool>());
    }
  }
}

TEST_CASE("decode_attention of what nothing is seen of is zero") {
  const at::Tensor q = at::randn({2, 1, 8}), k = at::randn({2, 1, 3, 8}), y = at::ones({2, 1, 8});
  const int64_t stored[] = {0, 3};
  const bool seen[] = {true, true, true, false, false, false};
  decode_attention({.rows = 2,
                    .heads = 1,
                    .kv_heads = 1,
                    .key_size = 8,
                    .value_size = 8,
                    .columns = 3,
                    .q_BHE = q.data_ptr(),
                    .k_BGCE = k.data_ptr(),
                    .v_BGCE = k.data_ptr(),
                    .stored_B = stored,
                    .seen_BC = seen,
                    .y_BHE = y.data_ptr()},
                   {});
  CHECK(y.eq(0).all().item<bool>());
}

TEST_CASE("decode_attention keeps scores that are far apart, and NaN visible") {
  at::Tensor q = at::ones({2, 1, 8}) * 40, k = at::ones({2, 1, 3, 8}) * 40, v = at::randn({2, 1, 3, 8});
  k[0][0][1] *= -1;
  q[1][0][3] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor y = at::empty({2, 1, 8});
  const int64_t stored[] = {3, 3};
  decode_attention({.rows = 2,
                    .heads = 1,
                    .kv_heads = 1,
                    .key_size = 8,
                    .value_size = 8,
                    .columns = 3,
                    .q_BHE = q.data_ptr(),
                    .k_BGCE = k.data_ptr(),
                    .v_BGCE = v.data_ptr(),
                    .stored_B = stored,
                    .y_BHE = y.data_ptr()},
                   {});
  CHECK(at::allclose(y[0][0], (v[0][0][0] + v[0][0][2]) / 2, 1e-6, 1e-6));
  CHECK(y[1].isnan().all().item<bool>());
}

TEST_CASE("decode_attention of no rows touches nothing") {
  DecodeAttentionArgs none = {.rows = 0, .heads = 1, .kv_heads = 1, .key_size = 8, .value_size = 8, .columns = 1};
  none.v_BGCE = &none;
  decode_attention(none, {});
  decode_attention(none, {.device = DeviceKind::cuda});
}

TEST_CASE("decode_attention refuses arguments that cannot be meant, saying which") {
  float x[8] = {}, y[8] = {};
  int64_t stored[1] = {1};
  const DecodeAttentionArgs good = {.rows = 1,
                                    .heads = 1,
                                    .kv_heads = 1,
                                    .key_size = 8,
                                    .value_size = 8,
                                    .columns = 1,
                                    .q_BHE = x,
                                    .k_BGCE = x,
                                    .v_BGCE = x,
                                    .stored_B = stored,
                                    .y_BHE = y};
  const auto with = [&](auto change) {
    DecodeAttentionArgs args = good;
    change(args);
    return args;
  };
  int64_t too_many[1] = {2};
  const struct {
    DecodeAttentionArgs args;
    std::string message;
  } table[] = {
      {with([](auto& a) { a.heads = 3, a.kv_heads = 2; }),
       "[decode_attention] expected at least 0 rows, and heads that kv_heads divides, but got 1 rows, 3 heads and 2 "
       "kv_heads"},
      {with([](auto& a) { a.key_size = 0; }),
       "[decode_attention] expected key_size, value_size and columns of at least 1 but got 0, 8 and 1"},
      {with([](auto& a) { a.v_BGCE = nullptr, a.value_size = 9; }),
       "[decode_attention] expected values within keys of size 8 but got value_size 9"},
      {with([](auto& a) { a.scale = std::numeric_limits<float>::infinity(); }),
       "[decode_attention] expected a finite scale but got inf"},
      {with([](auto& a) { a.q_BHE = nullptr; }),
       "[decode_attention] expected q_BHE, k_BGCE and stored_B but q_BHE is null"},
      {with([](auto& a) { a.k_BGCE = nullptr; }),
       "[decode_attention] expected q_BHE, k_BGCE and stored_B but k_BGCE is null"},
      {with([](auto& a) { a.stored_B = nullptr; }),
       "[decode_attention] expected q_BHE, k_BGCE and stored_B but stored_B is null"},
      {with([](auto& a) { a.y_BHE = nullptr; }), "[decode_attention] expected y_BHE but it is null"},
      {with([&](auto& a) { a.stored_B = too_many; }),
       "[decode_attention] expected 0 to 1 columns stored in row 0 but got 2"},
  };
  for (const auto& row : table) CHECK_THROWS_WITH_AS(decode_attention(row.args, {}), row.message.c_str(), Error);
  decode_attention(good, {});
}

}  // namespace
}  // namespace tacit::test
