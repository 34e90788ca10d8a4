#include <iostream>

#include "lib/kernels/cuda_backend.h"
#include "tests/lib/kernels_log_linear_state_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("log_linear_state on CUDA is its twin in fp64, at every size, ragged or not") {
  if (!enable_cuda()) {
    std::cout << "TACIT-SKIP: no CUDA device\n";
    return;
  }
  check_log_linear_state_everywhere({at::kCUDA, at::kFloat, 2e-6});
}

}  // namespace
}  // namespace tacit::test
