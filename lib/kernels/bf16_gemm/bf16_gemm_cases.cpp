#include "lib/kernels/bf16_gemm/bf16_gemm.h"
#include "lib/kernels/kernel_case.h"
#include "lib/kernels/tensors.h"

namespace tacit {

// GPT-2's layers on sixteen questions of 330 tokens and on one, and what an update makes of them: the gradient of the
// inputs and that of the weight. The twin is LibTorch's product.
std::vector<KernelCase> bf16_gemm_cases(const Place& place, const std::string& match) {
  std::vector<KernelCase> out;
  if (place.device != DeviceKind::cpu || !has_bf16_gemm()) return out;
  struct Size {
    const char* what;
    int64_t rows, depth, columns;
    bool a_transposed, b_transposed;
  };
  constexpr Size kSizes[] = {{"up", 5280, 768, 3072, false, true},
                             {"down", 5280, 3072, 768, false, true},
                             {"up", 330, 768, 3072, false, true},
                             {"dx", 1200, 3072, 768, false, false},
                             {"dw", 3072, 1200, 768, true, false},
                             {"up", 64, 768, 3072, false, true},
                             {"up", 128, 768, 3072, false, true},
                             {"vocabulary", 160, 768, 50257, false, true},
                             {"vocabulary's dw", 50257, 160, 768, true, false}};
  for (const Size& size : kSizes) {
    const int64_t M = size.rows, K = size.depth, N = size.columns;
    const std::string name = "bf16_gemm " + std::string(size.what) + " [" + std::to_string(M) + ", " +
                             std::to_string(K) + "] x [" + std::to_string(K) + ", " + std::to_string(N) + "]";
    if (name.find(match) == std::string::npos) continue;
    const auto made = [](int64_t rows, int64_t columns, bool transposed) {
      const auto options = at::TensorOptions(at::kBFloat16);
      return transposed ? at::randn({columns, rows}, options).t() : at::randn({rows, columns}, options);
    };
    const at::Tensor a = made(M, K, size.a_transposed), b = made(K, N, size.b_transposed);
    const at::Tensor y = at::empty({M, N}, a.options());
    const auto numbers = [](const at::Tensor& x) { return static_cast<Bf16*>(x.data_ptr()); };
    const auto run = [=] {
      bf16_gemm({.rows = M,
                 .columns = N,
                 .depth = K,
                 .a_MK = {numbers(a), a.stride(0), a.stride(1)},
                 .b_KN = {numbers(b), b.stride(0), b.stride(1)},
                 .y_MN = numbers(y)});
    };
    out.push_back({.name = name,
                   .bytes = static_cast<double>(a.nbytes() + b.nbytes() + y.nbytes()),
                   .flops = 2.0 * static_cast<double>(M * N * K),
                   .run = run,
                   .twin = [=] { at::mm_out(const_cast<at::Tensor&>(y), a, b); }});
  }
  return out;
}

}  // namespace tacit
