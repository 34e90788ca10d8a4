#include "lib/kernels/rotary/rotary_reference.h"

#include "lib/core/error.h"
#include "lib/kernels/rotary/rotary.h"
#include "lib/kernels/tensors.h"

namespace tacit {

at::Tensor rotary_reference(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, bool interleaved) {
  const int64_t size = cos.size(-1);
  if (size == 0) return x;
  const at::Tensor part = x.narrow(-1, 0, size);
  at::Tensor turned;
  if (interleaved) {
    const at::Tensor pairs = part.unflatten(-1, {size / 2, 2});
    turned = at::stack({-pairs.select(-1, 1), pairs.select(-1, 0)}, -1).flatten(-2);
  } else {
    turned = at::cat({-part.narrow(-1, size / 2, size / 2), part.narrow(-1, 0, size / 2)}, -1);
  }
  const at::Tensor out = part * cos + turned * sin;
  return size == x.size(-1) ? out : at::cat({out, x.narrow(-1, size, x.size(-1) - size)}, -1);
}

void rotary_in_place(const at::Tensor& x_BTHE, const at::Tensor& cos_PR, const at::Tensor& sin_PR,
                     const at::Tensor& raw_position_BT, bool interleaved) {
  constexpr auto kName = "rotary";
  require(x_BTHE.is_contiguous() && cos_PR.is_contiguous() && sin_PR.is_contiguous(), kName,
          "expected contiguous tensors");
  const at::Tensor position_BT = raw_position_BT.expand({x_BTHE.size(0), x_BTHE.size(1)}).contiguous();
  const int64_t heads = x_BTHE.size(2), size = x_BTHE.size(3);
  rotary({.tokens = position_BT.numel(),
          .heads = heads,
          .size = size,
          .rotated = cos_PR.size(1),
          .interleaved = interleaved,
          .scalar = kernel_scalar(x_BTHE, kName),
          .x_NHE = x_BTHE.const_data_ptr(),
          .x_stride = heads * size,
          .y_NHE = x_BTHE.mutable_data_ptr(),
          .y_stride = heads * size,
          .positions = cos_PR.size(0),
          .cos_PR = cos_PR.const_data_ptr<float>(),
          .sin_PR = sin_PR.const_data_ptr<float>(),
          .position_N = position_BT.const_data_ptr<int64_t>()},
         kernel_place(x_BTHE, kName));
}

}  // namespace tacit
