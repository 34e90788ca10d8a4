#include <ATen/ATen.h>

#include <memory>

#include "lib/kernels/kernel_case.h"
#include "lib/kernels/rms_norm/rms_norm.h"
#include "lib/kernels/rms_norm/rms_norm_reference.h"
#include "lib/kernels/tensors.h"

namespace tacit {
namespace {

constexpr float kEps = 1e-5f;

// Residual added, sum stored: reads x, residual and weight, writes sum and y.
KernelCase rms_norm_case(int64_t rows, int64_t size, at::ScalarType dtype, at::Device device) {
  const auto options = at::TensorOptions().dtype(dtype).device(device);
  struct Arrays {
    at::Tensor x_ND, residual_ND, weight_D, sum_ND, y_ND;
  };
  const auto arrays = std::make_shared<Arrays>(Arrays{at::rand({rows, size}, options), at::rand({rows, size}, options),
                                                      at::rand({size}, options), at::empty({rows, size}, options),
                                                      at::empty({rows, size}, options)});
  const double values = static_cast<double>(4 * rows * size + size);
  return {
      .name = "rms_norm " + std::string(dtype == at::kFloat ? "fp32 " : "bf16 ") + shape_text(std::vector{rows, size}),
      .bytes = static_cast<double>(at::elementSize(dtype)) * values,
      .flops = 5.0 * static_cast<double>(rows * size),  // add, square and sum, scale by the root and the weight
      .run =
          [arrays, rows, size] {
            rms_norm({.rows = rows,
                      .size = size,
                      .scalar = kernel_scalar(arrays->x_ND, "rms_norm"),
                      .x_ND = arrays->x_ND.const_data_ptr(),
                      .residual_ND = arrays->residual_ND.const_data_ptr(),
                      .weight_D = arrays->weight_D.const_data_ptr(),
                      .eps = kEps,
                      .sum_ND = arrays->sum_ND.mutable_data_ptr(),
                      .y_ND = arrays->y_ND.mutable_data_ptr()},
                     kernel_place(arrays->x_ND, "rms_norm"));
          },
      .twin = [arrays] { rms_norm_reference(arrays->x_ND, arrays->weight_D, kEps, arrays->residual_ND); }};
}

}  // namespace

std::vector<KernelCase> rms_norm_cases(const Place& place, const std::string&) {
  const at::Device device = place.device == DeviceKind::cpu ? at::kCPU : at::kCUDA;
  std::vector<KernelCase> cases;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const auto& [rows, size] : {std::pair{1, 768}, {8, 768}, {8, 2048}, {4096, 768}}) {
      cases.push_back(rms_norm_case(rows, size, dtype, device));
    }
  }
  return cases;
}

}  // namespace tacit
