#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/argmax/argmax.h"
#include "lib/kernels/argmax/argmax_reference.h"
#include "lib/kernels/tensors.h"

namespace tacit::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();

// Of contiguous rows; checks the numbers found against those that stand there.
std::vector<int64_t> places(const at::Tensor& x, CpuVectors vectors) {
  std::vector<int64_t> index(x.size(0), -1);
  std::vector<double> largest(x.size(0), -1);
  argmax({.rows = x.size(0),
          .size = x.size(1),
          .scalar = kernel_scalar(x, "test"),
          .x_NV = x.const_data_ptr(),
          .index_N = index.data(),
          .largest_N = largest.data()},
         vectors);
  const at::Tensor there = x.gather(1, at::tensor(index, at::kLong).unsqueeze(1)).squeeze(1).to(at::kDouble);
  CHECK(at::equal(there.nan_to_num(1e9), at::tensor(largest, at::kDouble).nan_to_num(1e9)));
  return index;
}

// By every instruction set that this CPU has.
void check_is_twin(const at::Tensor& x_NV) {
  const at::Tensor want = argmax_reference(x_NV).contiguous();
  const std::vector<int64_t> expected(want.const_data_ptr<int64_t>(), want.const_data_ptr<int64_t>() + want.numel());
  for (const CpuVectors vectors : {CpuVectors::plain, CpuVectors::avx2, CpuVectors::avx512}) {
    if (vectors > cpu_vectors()) continue;
    CAPTURE(static_cast<int>(vectors));
    CHECK(places(x_NV, vectors) == expected);
  }
}

TEST_CASE("argmax is its twin at any size, of numbers of which many are equal") {
  const uint64_t seed = std::random_device()();
  CAPTURE(seed);
  at::manual_seed(seed);
  std::mt19937_64 draw(seed);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    for (const int64_t size : {1, 2, 7, 64, 1023, 1024, 1025, 2048, 3100, 50257}) {
      CAPTURE(size);
      CAPTURE(c10::toString(dtype));
      check_is_twin(at::randn({5, size}).to(dtype));
      check_is_twin(at::randint(-3, 4, {5, size}).to(dtype));
      check_is_twin(at::full({2, size}, -kInfinity).to(dtype));
      at::Tensor zeros = at::zeros({2, size}).to(dtype);  // 0 and -0 are equal
      zeros.slice(1, 0, 1 + static_cast<int64_t>(draw() % size)) *= -1;
      check_is_twin(zeros);
    }
  }
}

TEST_CASE("argmax finds the first NaN, the first infinity, and the largest wherever it stands") {
  const uint64_t seed = std::random_device()();
  CAPTURE(seed);
  at::manual_seed(seed);
  std::mt19937_64 draw(seed);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    for (const int64_t size : {5, 1024, 2600}) {
      for (const float special : {kNaN, kInfinity, 9.0f}) {
        for (int trial = 0; trial < 20; ++trial) {
          const at::Tensor x = at::randn({1, size}).clamp(-8, 8).to(dtype);
          const auto first = static_cast<int64_t>(draw() % size), second = static_cast<int64_t>(draw() % size);
          CAPTURE(first);
          CAPTURE(second);
          x[0][first] = special;
          x[0][second] = special;
          if (special != special) x[0][draw() % size] = trial % 2 ? kInfinity : special;
          check_is_twin(x);
        }
      }
    }
  }
}

TEST_CASE("argmax of many rows is that of each, and of none touches nothing") {
  const at::Tensor x = at::randn({40, 9000}).to(at::kBFloat16);
  check_is_twin(x);
  argmax({.rows = 0, .size = 3});
  int64_t index = -1;
  const at::Tensor row = x[3].to(at::kFloat).contiguous();
  argmax({.rows = 1, .size = 9000, .x_NV = row.const_data_ptr(), .index_N = &index});  // without the numbers
  CHECK(index == argmax_reference(row).item<int64_t>());
}

TEST_CASE("argmax refuses what has no largest number, and arrays that are missing, saying which") {
  const float x[1] = {};
  int64_t index[1] = {};
  const auto refuses = [](const ArgmaxArgs& args, const std::string& what) {
    try {
      argmax(args);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find(what) != std::string::npos);
    }
  };
  refuses({.rows = 1, .size = 0, .x_NV = x, .index_N = index}, "size 1 but got [1, 0]");
  refuses({.rows = -1, .size = 1, .x_NV = x, .index_N = index}, "[-1, 1]");
  refuses({.rows = 1, .size = 1, .x_NV = nullptr, .index_N = index}, "x_NV");
  refuses({.rows = 1, .size = 1, .x_NV = x, .index_N = nullptr}, "index_N");
}

}  // namespace
}  // namespace tacit::test
