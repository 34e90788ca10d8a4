#include <iostream>

#include "lib/kernels/cuda_backend.h"
#include "tests/lib/kernels_layer_norm_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("layer_norm on CUDA is its twin in fp64, at every size, alignment and layout") {
  if (!enable_cuda()) {
    std::cout << "TACIT-SKIP: no CUDA device\n";
    return;
  }
  for (const auto& [dtype, most] : {std::pair{at::kFloat, 1e-6}, {at::kBFloat16, 0.0040}}) {
    check_layer_norm_everywhere({at::kCUDA, dtype, most});
  }
}

}  // namespace
}  // namespace tacit::test
