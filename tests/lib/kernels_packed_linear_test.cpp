#include <string>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/packed_linear/packed_panels.h"
#include "tests/lib/kernels_packed_linear_checks.h"

namespace tacit::test {
namespace {

constexpr PackedLinearCase kCases[] = {{at::kCPU, at::kFloat, at::kFloat, 2e-6},
                                       {at::kCPU, at::kBFloat16, at::kFloat, 2e-6},
                                       {at::kCPU, at::kBFloat16, at::kBFloat16, 0.00391},
                                       {at::kCPU, at::kFloat, at::kFloat, 2e-6, WeightFormat::int8},
                                       {at::kCPU, at::kBFloat16, at::kBFloat16, 0.00391, WeightFormat::int8}};

TEST_CASE("packed_linear on the CPU is its twin in fp64, at every size, of any view") {
  for (const PackedLinearCase& entry : kCases) check_packed_linear_everywhere(entry);
}

TEST_CASE("packed_linear gives a row the same bits whatever stands beside it") {
  for (const PackedLinearCase& entry : kCases) {
    check_packed_linear_rows(entry, 200, 301);
    check_packed_linear_rows(entry, 64, 64);
  }
}

TEST_CASE("every instruction set that this CPU has multiplies panels as the twin does, a row and a panel like many") {
  for (const PanelKind kind : {PanelKind::fp32, PanelKind::bf16, PanelKind::int8}) {
    const int64_t most = 17, I = 301;
    const WeightFormat format = kind == PanelKind::int8 ? WeightFormat::int8 : WeightFormat::scalar;
    const at::ScalarType type = kind == PanelKind::fp32 ? at::kFloat : at::kBFloat16;
    const at::Tensor weight = held(at::randn({kPanelsTogether * kPanel, I}).to(type), format),
                     all_x = at::randn({most, I});
    const DeviceWeights packed(weight, format);
    for (const CpuVectors vectors : {CpuVectors::plain, CpuVectors::avx2, CpuVectors::avx512}) {
      if (vectors > cpu_vectors()) continue;
      CAPTURE(static_cast<int>(vectors));
      const PanelProduct product = panel_product(kind, vectors);
      const auto multiply = [&](const at::Tensor& rows, int64_t first, int64_t panels) {
        const Guarded y({panels, rows.size(0), kPanel}, at::kFloat);
        product({.weight = static_cast<const char*>(packed.data()) + first * panel_bytes(I, kind),
                 .inputs = I,
                 .rows = rows.size(0),
                 .panels = panels,
                 .x = rows.const_data_ptr<float>(),
                 .x_stride = I,
                 .y = static_cast<float*>(y.data())});
        CHECK(y.intact());
        return y.tensor().clone();
      };
      for (int64_t M = 1; M <= most; ++M) {  // passes of all sizes
        const at::Tensor x = all_x.narrow(0, 0, M);
        const at::Tensor want_MO = packed_linear_reference(x.to(at::kDouble), weight.to(at::kDouble));
        const at::Tensor want_PMO = want_MO.view({M, kPanelsTogether, kPanel}).transpose(0, 1);
        const at::Tensor all = multiply(x, 0, kPanelsTogether);
        CHECK(((all - want_PMO).abs().max() / want_PMO.abs().max()).item<double>() < 1e-6);
        for (int64_t m = 0; m < M; ++m) {
          const at::Tensor row = x.narrow(0, m, 1);
          for (int64_t panels = 1; panels <= kPanelsTogether; ++panels) {
            const int64_t first = kPanelsTogether - panels;
            CHECK(at::equal(multiply(row, first, panels), all.narrow(0, first, panels).narrow(1, m, 1)));
          }
        }
      }
    }
  }
}

TEST_CASE("panels are shared out in calls of about one size, none left and none twice") {
  for (int64_t rows : {1, 2, 64}) {
    for (int64_t left = 1; left < 40; ++left) {
      int64_t least = kPanelsTogether, most = 1;
      for (int64_t rest = left; rest > 0;) {
        const int64_t taken = panels_together(rows, rest);
        REQUIRE(taken >= 1);
        REQUIRE(taken <= std::min(rest, rows == 1 ? kPanelsTogether : 1));
        least = std::min(least, taken), most = std::max(most, taken), rest -= taken;
      }
      CHECK(most - least <= 1);
    }
  }
}

TEST_CASE("packed matrices may be stacked, at any place of a panel") {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const int64_t I = 45;
    const at::Tensor a = at::randn({70, I}).to(type), b = at::randn({3, I}).to(type), c = at::randn({90, I}).to(type);
    const Scalar scalar = kernel_scalar(a, "test");
    const HugePages packed(packed_linear_bytes(163, I, scalar));
    int64_t first = 0;
    for (const at::Tensor& part : {a, b, c}) {
      pack_linear({.outputs = part.size(0),
                   .inputs = I,
                   .scalar = scalar,
                   .weight_OI = part.const_data_ptr(),
                   .output_stride = I,
                   .first = first,
                   .packed = packed.data()});
      first += part.size(0);
    }
    const DeviceWeights whole(at::cat({a, b, c}));
    CHECK(std::memcmp(packed.data(), whole.data(), packed.bytes()) == 0);
  }
}

TEST_CASE("packed matrices of int8 may be stacked, with their scales, at any place of a panel") {
  const int64_t I = 45;
  const at::Tensor a = at::randn({70, I}), b = at::randn({90, I}) * 3;
  const HugePages packed(packed_linear_bytes(160, I, Scalar::fp32, WeightFormat::int8));
  int64_t first = 0;
  for (const at::Tensor& part : {a, b}) {
    const Int8Rows rows = to_int8(part);
    pack_linear({.outputs = part.size(0),
                 .inputs = I,
                 .format = WeightFormat::int8,
                 .weight_OI = rows.q_OI.const_data_ptr(),
                 .scale_O = rows.scale_O.const_data_ptr<float>(),
                 .output_stride = I,
                 .first = first,
                 .packed = packed.data()});
    first += part.size(0);
  }
  const DeviceWeights whole(at::cat({a, b}), WeightFormat::int8);
  CHECK(std::memcmp(packed.data(), whole.data(), packed.bytes()) == 0);
}

TEST_CASE("an input that is not a number reaches its own row only, a zero weight does not hide it") {
  const at::Tensor weight = at::randn({66, 33}), x = at::randn({5, 33});
  x[2][7] = std::numeric_limits<float>::quiet_NaN();
  weight.zero_();
  const DeviceWeights weights(weight);
  const at::Tensor y = at::empty({5, 66});
  run_packed_linear(x, weights, {}, 66, kCases[0], y.data_ptr());
  CHECK(y[2].isnan().all().item<bool>());
  CHECK(y.isnan().sum().item<int64_t>() == 66);
}

TEST_CASE("packed_linear of no rows touches nothing") {
  packed_linear({.rows = 0, .outputs = 8, .inputs = 8}, {});
  packed_linear({.rows = 0, .outputs = 8, .inputs = 8}, {.device = DeviceKind::cuda});
}

TEST_CASE("packed_linear refuses arguments that cannot be meant, saying which") {
  alignas(64) float x[8] = {}, y[8] = {}, weight[512] = {};
  const PackedLinearArgs good = {.rows = 1, .outputs = 8, .inputs = 8, .weight_OI = weight, .x_MI = x, .y_MO = y};
  const auto with = [&](auto change) {
    PackedLinearArgs args = good;
    change(args);
    return args;
  };
  const struct {
    PackedLinearArgs args;
    std::string message;
  } table[] = {
      {with([](auto& a) { a.rows = -1; }),
       "[packed_linear] expected at least 0 rows, 1 output and 1 input but got -1, 8 and 8"},
      {with([](auto& a) { a.outputs = 0; }),
       "[packed_linear] expected at least 0 rows, 1 output and 1 input but got 1, 0 and 8"},
      {with([](auto& a) { a.inputs = 0; }),
       "[packed_linear] expected at least 0 rows, 1 output and 1 input but got 1, 8 and 0"},
      {with([](auto& a) { a.weight_OI = nullptr; }),
       "[packed_linear] expected weight_OI, x_MI and y_MO but weight_OI is null"},
      {with([](auto& a) { a.x_MI = nullptr; }), "[packed_linear] expected weight_OI, x_MI and y_MO but x_MI is null"},
      {with([](auto& a) { a.y_MO = nullptr; }), "[packed_linear] expected weight_OI, x_MI and y_MO but y_MO is null"},
      {with([&](auto& a) { a.y_MO = x; }), "[packed_linear] expected x_MI and y_MO to be different arrays"},
  };
  for (const auto& row : table) CHECK_THROWS_WITH_AS(packed_linear(row.args, {}), row.message.c_str(), Error);
  packed_linear(good, {});
  PackedLinearArgs int8 = good;
  int8.format = WeightFormat::int8;
  CHECK_THROWS_WITH_AS(packed_linear(int8, {.device = DeviceKind::cuda}),
                       "[packed_linear] expected weights in fp32 or bf16 on CUDA but got int8", Error);
  const PackLinearArgs packs = {.outputs = 8, .inputs = 8, .weight_OI = weight, .output_stride = 8, .packed = weight};
  PackLinearArgs bad = packs;
  bad.packed = reinterpret_cast<char*>(weight) + 4;
  CHECK_THROWS_WITH_AS(pack_linear(bad), "[pack_linear] expected packed to start at a multiple of 64 bytes", Error);
  bad = packs;
  bad.first = -1;
  CHECK_THROWS_WITH_AS(pack_linear(bad), doctest::Contains("[pack_linear] expected at least 0 outputs"), Error);
  bad = packs;
  bad.format = WeightFormat::int8;
  CHECK_THROWS_WITH_AS(pack_linear(bad), "[pack_linear] expected scale_O with weights in int8, and only there", Error);
  bad = packs;
  bad.weight_OI = nullptr;
  CHECK_THROWS_WITH_AS(pack_linear(bad), "[pack_linear] expected weight_OI and packed but one is null", Error);
}

}  // namespace
}  // namespace tacit::test
