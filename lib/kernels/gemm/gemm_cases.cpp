#include "lib/kernels/gemm/gemm.h"
#include "lib/kernels/kernel_case.h"
#include "lib/kernels/tensors.h"

namespace tacit {

// GPT-2's layers on sixteen questions of 330 tokens and on one, and what an update makes of them: the gradient of the
// inputs and that of the weight; by the paths that this CPU's models take. The twin is LibTorch's product; without
// instructions for bf16 that of numbers widened to fp32, since its own of bf16 takes a hundred times as long.
std::vector<KernelCase> gemm_cases(const Place& place, const std::string& match) {
  std::vector<KernelCase> out;
  if (place.device != DeviceKind::cpu) return out;
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
  for (const Scalar type : {Scalar::fp32, Scalar::bf16}) {
    const std::optional<GemmPath> path = fast_gemm(type);
    if (!path) continue;
    const auto options = at::TensorOptions(type == Scalar::fp32 ? at::kFloat : at::kBFloat16);
    for (const Size& size : kSizes) {
      const int64_t M = size.rows, K = size.depth, N = size.columns;
      const std::string name = std::string("gemm ") + (type == Scalar::fp32 ? "fp32 " : "bf16 ") + size.what + " [" +
                               std::to_string(M) + ", " + std::to_string(K) + "] x [" + std::to_string(K) + ", " +
                               std::to_string(N) + "]";
      if (name.find(match) == std::string::npos) continue;
      const auto made = [&](int64_t rows, int64_t columns, bool transposed) {
        return transposed ? at::randn({columns, rows}, options).t() : at::randn({rows, columns}, options);
      };
      const at::Tensor a = made(M, K, size.a_transposed), b = made(K, N, size.b_transposed);
      const at::Tensor y = at::empty({M, N}, a.options());
      const auto run = [=] {
        gemm(*path, {.type = type,
                     .rows = M,
                     .columns = N,
                     .depth = K,
                     .a_MK = {a.const_data_ptr(), a.stride(0), a.stride(1)},
                     .b_KN = {b.const_data_ptr(), b.stride(0), b.stride(1)},
                     .y_MN = y.mutable_data_ptr()});
      };
      out.push_back({.name = name,
                     .bytes = static_cast<double>(a.nbytes() + b.nbytes() + y.nbytes()),
                     .flops = 2.0 * static_cast<double>(M * N * K),
                     .run = run,
                     .twin = [=, wide = type == Scalar::bf16 && path == GemmPath::avx2] {
                       wide ? y.copy_(at::mm(a.to(at::kFloat), b.to(at::kFloat)))
                            : at::mm_out(const_cast<at::Tensor&>(y), a, b);
                     }});
    }
  }
  return out;
}

}  // namespace tacit
