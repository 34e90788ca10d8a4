#include <iostream>

#include "lib/kernels/cuda_backend.h"
#include "tests/lib/kernels_gated_mlp_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("gated_mlp on CUDA, forward and backward, is its twin in fp64") {
  if (!enable_cuda()) {
    std::cout << "TACIT-SKIP: no CUDA device\n";
    return;
  }
  for (const auto& [dtype, most] : {std::pair{at::kFloat, 2e-6}, {at::kBFloat16, 0.0040}}) {
    check_gated_mlp_everywhere({at::kCUDA, dtype, most});
  }
}

}  // namespace
}  // namespace tacit::test
