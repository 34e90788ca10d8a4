#include <iostream>

#include "lib/kernels/cuda_backend.h"
#include "tests/lib/kernels_rotary_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("rotary on CUDA is its twin in fp64, both pairings, in place or not") {
  if (!enable_cuda()) {
    std::cout << "TACIT-SKIP: no CUDA device\n";
    return;
  }
  for (const auto& [dtype, most] : {std::pair{at::kFloat, 1e-6}, {at::kBFloat16, 0.0040}}) {
    check_rotary_everywhere({at::kCUDA, dtype, most});
  }
}

}  // namespace
}  // namespace tacit::test
