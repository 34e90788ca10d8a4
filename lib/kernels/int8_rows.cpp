#include "lib/kernels/int8_rows.h"

namespace tacit {

Int8Rows to_int8(const at::Tensor& weight_OI) {
  constexpr double kMost = 127, kMostBf16 = 0x1.fep127;
  const at::Tensor wide_OI = weight_OI.to(at::kFloat);
  const at::Tensor exact_O = wide_OI.abs().amax(1), rounded_O = exact_O.to(at::kBFloat16).to(at::kFloat);
  const at::Tensor largest_O = at::where(exact_O.isfinite() & rounded_O.isinf(), kMostBf16, rounded_O);
  const at::Tensor scale_O = largest_O / kMost;
  const at::Tensor q_OI = (wide_OI / scale_O.unsqueeze(1)).round_().clamp_(-kMost, kMost).nan_to_num_(0);
  return {q_OI.to(at::kChar), scale_O};
}

at::Tensor pack_rows(const Int8Rows& rows) {
  const int64_t rest = rows.q_OI.numel() % kScalesBoundary, gap = rest == 0 ? 0 : kScalesBoundary - rest;
  return at::cat({rows.q_OI.reshape({-1}), at::zeros({gap}, rows.q_OI.options()), rows.scale_O.view(at::kChar)});
}

at::Tensor from_int8(const Int8Rows& rows, at::ScalarType type) {
  return (rows.q_OI.to(at::kFloat) * rows.scale_O.unsqueeze(1)).to(type);
}

}  // namespace tacit
