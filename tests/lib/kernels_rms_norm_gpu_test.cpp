#include "lib/kernels/cuda_backend.h"

#include <iostream>

#include "tests/lib/kernels_rms_norm_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("rms_norm on CUDA is its twin in fp64, at every size, alignment and layout") {
  if (!enable_cuda()) {
    std::cout << "TACIT-SKIP: no CUDA device\n";
    return;
  }
  for (const NormCase& entry : {NormCase{at::kCUDA, at::kFloat, 1e-6}, NormCase{at::kCUDA, at::kBFloat16, 0.00391}}) {
    check_rms_norm_everywhere(entry);
  }
}

}  // namespace
}  // namespace tacit::test
