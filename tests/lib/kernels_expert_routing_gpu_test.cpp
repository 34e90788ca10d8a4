#include <iostream>

#include "lib/kernels/cuda_backend.h"
#include "tests/lib/kernels_expert_routing_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("expert_routing and expert_sum on CUDA are their twins in fp64") {
  if (!enable_cuda()) {
    std::cout << "TACIT-SKIP: no CUDA device\n";
    return;
  }
  check_expert_kernels_everywhere(at::kCUDA);
}

}  // namespace
}  // namespace tacit::test
