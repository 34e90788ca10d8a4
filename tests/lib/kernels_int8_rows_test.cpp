#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "lib/kernels/int8_rows.h"
#include "lib/kernels/types.h"

namespace tacit::test {
namespace {

// Rows of sizes that differ by a thousand.
at::Tensor uneven(at::ScalarType type) { return (at::randn({40, 33}) * at::logspace(-2, 1, 40).unsqueeze(1)).to(type); }

TEST_CASE("weights in int8 are off by half a step at most, and weights made of int8 give the same int8 again") {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    CAPTURE(type);
    for (const at::Tensor& weight_OI : {uneven(type), uneven(type).t().contiguous().t()}) {
      const Int8Rows rows = to_int8(weight_OI);
      REQUIRE((rows.q_OI.scalar_type() == at::kChar && rows.scale_O.scalar_type() == at::kFloat));
      CHECK((rows.q_OI.abs().amax(1) >= 126).all().item<bool>());
      const at::Tensor off_OI = (from_int8(rows, at::kFloat) - weight_OI.to(at::kFloat)).abs();
      CHECK((off_OI <= 0.501 * rows.scale_O.unsqueeze(1)).all().item<bool>());
      const Int8Rows again = to_int8(from_int8(rows, type));
      CHECK(at::equal(again.q_OI, rows.q_OI));
      CHECK(at::equal(again.scale_O, rows.scale_O));
    }
  }
}

TEST_CASE("an output of zeros stays one; one with a number that is none has none left, and no other is touched") {
  const at::Tensor weight_OI = uneven(at::kFloat), before_OI = from_int8(to_int8(weight_OI), at::kFloat);
  weight_OI[3].zero_();
  weight_OI[5][7] = NAN;
  weight_OI[9][0] = -INFINITY;
  const at::Tensor after_OI = from_int8(to_int8(weight_OI), at::kFloat);
  CHECK(at::equal(after_OI[3], at::zeros({33})));
  CHECK(after_OI[5].isnan().all().item<bool>());
  CHECK(after_OI[9].isnan().all().item<bool>());
  for (const int64_t o : {0, 4, 6, 39}) CHECK(at::equal(after_OI[o], before_OI[o]));
}

TEST_CASE("a number beyond bf16's largest gives a scale that is one") {
  const at::Tensor weight_OI = at::ones({1, 4});
  weight_OI[0][2] = 3.4e38;
  const Int8Rows rows = to_int8(weight_OI);
  CHECK(rows.scale_O[0].item<float>() == 0x1.fep127f / 127);
  CHECK(from_int8(rows, at::kFloat)[0][2].item<float>() == doctest::Approx(3.4e38).epsilon(.01));
  CHECK(from_int8(rows, at::kFloat).isfinite().all().item<bool>());
}

TEST_CASE("rows for a GPU: all of q, then the scales where they can be read as fp32") {
  const Int8Rows rows = to_int8(at::randn({5, 7}));  // 35 bytes, the scales from 48 on
  const at::Tensor packed = pack_rows(rows);
  REQUIRE(packed.numel() == 48 + 5 * 4);
  CHECK(48 % kScalesBoundary == 0);
  const char* bytes = static_cast<const char*>(packed.const_data_ptr());
  CHECK(std::memcmp(bytes, rows.q_OI.const_data_ptr(), 35) == 0);
  CHECK(std::memcmp(bytes + 48, rows.scale_O.const_data_ptr(), 20) == 0);
}

}  // namespace
}  // namespace tacit::test
