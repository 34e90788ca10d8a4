#include <iostream>

#include "lib/kernels/cuda_backend.h"
#include "tests/lib/kernels_decode_attention_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("decode_attention on CUDA is its twin in fp64, and a row is the same beside any others") {
  if (!enable_cuda()) {
    std::cout << "TACIT-SKIP: no CUDA device\n";
    return;
  }
  check_decode_attention_everywhere({at::kCUDA, at::kFloat, 2e-6});
  check_decode_attention_everywhere({at::kCUDA, at::kBFloat16, 0.00391});
}

}  // namespace
}  // namespace tacit::test
