#include <ATen/ATen.h>

#include "lib/kernels/argmax/argmax.h"
#include "lib/kernels/argmax/argmax_reference.h"
#include "lib/kernels/kernel_case.h"
#include "lib/kernels/tensors.h"

namespace tacit {

// The likeliest of GPT-2's and of Qwen's tokens.
std::vector<KernelCase> argmax_cases(const Place& place, const std::string&) {
  std::vector<KernelCase> cases;
  if (place.device != DeviceKind::cpu) return cases;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const auto& [rows, size] : {std::pair{1, 50257}, {16, 50257}, {1, 151936}}) {
      const at::Tensor x_NV = at::randn({rows, size}).to(dtype), index_N = at::empty({rows}, at::kLong);
      cases.push_back({.name = "argmax " + std::string(dtype == at::kFloat ? "fp32 " : "bf16 ") +
                               shape_text(std::vector{rows, size}),
                       .bytes = static_cast<double>(x_NV.nbytes()),
                       .flops = static_cast<double>(x_NV.numel()),
                       .run =
                           [=] {
                             argmax({.rows = x_NV.size(0),
                                     .size = x_NV.size(1),
                                     .scalar = kernel_scalar(x_NV, "argmax"),
                                     .x_NV = x_NV.const_data_ptr(),
                                     .index_N = index_N.mutable_data_ptr<int64_t>()});
                           },
                       .twin = [=] { argmax_reference(x_NV); }});
    }
  }
  return cases;
}

}  // namespace tacit
