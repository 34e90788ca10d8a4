#include "decoding/readout.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "tests/lib/core_support.h"
#include "tests/support/tiny_model.h"

namespace tacit {
namespace {

TEST_CASE("a readout is the sorted softmax of the model's logits") {
  const auto model = test::tiny_model();
  const at::Tensor thoughts_ND = at::randn({5, 32}, at::make_generator<at::CPUGeneratorImpl>(7)) * 2;
  const at::Tensor softmax_NV = model->logits(thoughts_ND).to(at::kDouble).softmax(-1);
  for (int64_t n = 0; n < 5; ++n) {
    const auto shares = readout(*model, thoughts_ND[n], 20);
    REQUIRE(shares.size() == 20);
    double sum = 0;
    for (size_t i = 0; i < shares.size(); ++i) {
      CHECK(shares[i].probability == doctest::Approx(softmax_NV[n][shares[i].token].item<double>()).epsilon(1e-5));
      if (i > 0) CHECK(shares[i].probability <= shares[i - 1].probability);
      sum += shares[i].probability;
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-12));
  }
}

TEST_CASE("readouts of many thoughts are those of each; `top` cuts the list") {
  const auto model = test::tiny_model();
  const at::Tensor thoughts_ND = at::randn({4, 32}, at::make_generator<at::CPUGeneratorImpl>(8));
  const auto together = readouts(*model, thoughts_ND, 3);
  REQUIRE(together.size() == 4);
  for (int64_t n = 0; n < 4; ++n) {
    const auto alone = readout(*model, thoughts_ND[n], 3);
    REQUIRE(together[n].size() == 3);
    for (size_t i = 0; i < 3; ++i) {
      CHECK(together[n][i].token == alone[i].token);
      CHECK(together[n][i].probability == doctest::Approx(alone[i].probability).epsilon(1e-5));
    }
  }
  CHECK(readout(*model, thoughts_ND[0], 0).empty());
  CHECK(readout(*model, thoughts_ND[0], 99).size() == 20);
  CHECK(readouts(*model, thoughts_ND.narrow(0, 0, 0), 3).empty());
}

TEST_CASE("equal tokens of a readout stand in the order of their ids") {
  const auto model = test::tiny_model();
  const auto shares = readout(*model, at::zeros({32}), 20);  // every logit is 0
  for (int64_t i = 0; i < 20; ++i) {
    CHECK(shares[i].token == i);
    CHECK(shares[i].probability == doctest::Approx(.05).epsilon(1e-12));
  }
}

TEST_CASE("a readout refuses what is no thought") {
  const auto model = test::tiny_model();
  CHECK(holds(error_of([&] { readout(*model, at::zeros({31}), 3); }), "[N, 32] but got [1, 31]"));
  CHECK(holds(error_of([&] { readout(*model, at::zeros({1, 32}), 3); }), "one vector [D] but got shape [1, 32]"));
  CHECK(holds(error_of([&] { readout(*model, at::zeros({32}), -1); }), "top of at least 0 but got -1"));
  CHECK(holds(error_of([&] { readout(*model, at::full({32}, NAN), 3); }), "NaN"));
}

}  // namespace
}  // namespace tacit
