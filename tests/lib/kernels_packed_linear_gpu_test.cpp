#include <iostream>

#include "lib/kernels/cuda_backend.h"
#include "tests/lib/kernels_packed_linear_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("packed_linear on CUDA is its twin in fp64, and a row is the same beside any others") {
  if (!enable_cuda()) {
    std::cout << "TACIT-SKIP: no CUDA device\n";
    return;
  }
  for (const at::ScalarType weights : {at::kFloat, at::kBFloat16}) {
    for (const PackedLinearCase& entry : {PackedLinearCase{at::kCUDA, weights, at::kFloat, 2e-6},
                                          PackedLinearCase{at::kCUDA, weights, at::kBFloat16, 0.00391}}) {
      check_packed_linear_everywhere(entry);
      check_packed_linear_rows(entry, 100, 300);
      check_packed_linear_rows(entry, 65, 1000);
    }
  }
}

}  // namespace
}  // namespace tacit::test
