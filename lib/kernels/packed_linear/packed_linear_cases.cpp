#include <algorithm>
#include <memory>

#include "lib/kernels/huge_pages.h"
#include "lib/kernels/kernel_case.h"
#include "lib/kernels/packed_linear/packed_linear.h"
#include "lib/kernels/tensors.h"

namespace tacit {

// GPT-2's vocabulary, which no cache holds, and one of its layers, for a thought and for a batch of them. The twin is
// LibTorch's product.
std::vector<KernelCase> packed_linear_cases(const Place& place, const std::string& match) {
  std::vector<KernelCase> out;
  const auto device = place.device == DeviceKind::cpu ? at::kCPU : at::kCUDA;
  const std::vector<std::pair<int64_t, int64_t>> shapes = {{50257, 768}, {3072, 768}};
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    for (const auto& [outputs, inputs] : shapes) {
      const int64_t O = outputs, I = inputs;
      const auto name = [&](int64_t M) {
        return "packed_linear " + std::string(dtype == at::kFloat ? "fp32" : "bf16") + " [" + std::to_string(M) + ", " +
               std::to_string(I) + "] x [" + std::to_string(O) + ", " + std::to_string(I) + "]";
      };
      constexpr int64_t kRows[] = {1, 4, 16};
      if (std::ranges::none_of(kRows, [&](int64_t M) { return name(M).find(match) != std::string::npos; })) continue;
      const at::Tensor weight_OI = at::randn({O, I}, at::TensorOptions(device).dtype(dtype));
      const Scalar scalar = kernel_scalar(weight_OI, "packed_linear");
      std::shared_ptr<HugePages> packed;
      if (place.device == DeviceKind::cpu) {
        packed = std::make_shared<HugePages>(packed_linear_bytes(O, I, scalar));
        pack_linear({.outputs = O,
                     .inputs = I,
                     .scalar = scalar,
                     .weight_OI = weight_OI.const_data_ptr(),
                     .output_stride = I,
                     .packed = packed->data()});
      }
      for (const int64_t M : kRows) {
        const at::Tensor x_MI = at::randn({M, I}, weight_OI.options()), y_MO = at::empty({M, O}, weight_OI.options());
        const auto bytes = static_cast<double>(weight_OI.nbytes() + x_MI.nbytes() + y_MO.nbytes());
        const auto run = [=] {
          packed_linear({.rows = M,
                         .outputs = O,
                         .inputs = I,
                         .scalar = scalar,
                         .activations = scalar,
                         .weight_OI = packed ? packed->data() : weight_OI.const_data_ptr(),
                         .x_MI = x_MI.const_data_ptr(),
                         .y_MO = y_MO.data_ptr()},
                        place);
        };
        out.push_back(
            {.name = name(M), .bytes = bytes, .flops = 2.0 * static_cast<double>(M * O * I), .run = run, .twin = [=] {
               at::linear(x_MI, weight_OI);
             }});
      }
    }
  }
  return out;
}

}  // namespace tacit
