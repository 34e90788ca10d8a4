#include <iostream>

#include "lib/kernels/cuda_backend.h"
#include "tests/lib/kernels_rwkv7_state_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("rwkv7_state on CUDA is its twin in fp64, at every size, ragged or not") {
  if (!enable_cuda()) {
    std::cout << "TACIT-SKIP: no CUDA device\n";
    return;
  }
  check_rwkv7_state_everywhere({at::kCUDA, at::kFloat, 2e-6});
}

}  // namespace
}  // namespace tacit::test
