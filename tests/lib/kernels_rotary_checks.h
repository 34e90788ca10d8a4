#pragma once

#include "lib/kernels/rotary/rotary.h"
#include "lib/kernels/rotary/rotary_reference.h"
#include "lib/kernels/tensors.h"
#include "tests/support/kernel_checks.h"

namespace tacit::test {

struct RotaryShape {
  int64_t tokens, heads, size, rotated;
};
constexpr RotaryShape kRotaryShapes[] = {{1, 1, 64, 64},  {5, 3, 64, 32},   {3, 2, 7, 6},
                                         {4, 1, 100, 50}, {600, 2, 32, 32}, {2, 2, 8, 0}};

// One call on fresh random numbers against the twin in fp64.
inline void check_rotary(const KernelTolerance& entry, const RotaryShape& s, bool interleaved, bool in_place,
                         int64_t offset = 0) {
  GuardedInputs make(at::TensorOptions(entry.device).dtype(entry.dtype), offset);
  CAPTURE(make.seed());
  CAPTURE(c10::toString(entry.dtype));
  CAPTURE(s.size);
  CAPTURE(s.rotated);
  CAPTURE(interleaved);
  CAPTURE(in_place);
  constexpr int64_t kPositions = 50;
  // Any numbers: the two of a pair need not share an angle.
  const at::Tensor cos = make.normal({kPositions, s.rotated}).to(entry.device, at::kFloat),
                   sin = make.normal({kPositions, s.rotated}).to(entry.device, at::kFloat);
  const at::Tensor position =
      (make.normal({s.tokens}).abs() * 20).to(at::kLong).clamp_max(kPositions - 1).to(entry.device);
  const int64_t stride = s.heads * s.size + 5;  // a token lies in a longer row
  const Guarded x = make.of(make.normal({s.tokens, stride})), new_y = make.empty({s.tokens, stride});
  const Guarded& y = in_place ? x : new_y;
  const at::Tensor before = x.tensor().clone(), rest = y.tensor().narrow(1, stride - 5, 5).clone();
  const auto heads = [&](const at::Tensor& t) { return t.narrow(1, 0, stride - 5).unflatten(1, {s.heads, s.size}); };
  const auto rows = [&](const at::Tensor& table) {
    return table.to(at::kDouble).index_select(0, position).view({1, 1, s.tokens, s.rotated});
  };
  const at::Tensor want =
      rotary_reference(heads(before).to(at::kDouble).transpose(0, 1).unsqueeze(0), rows(cos), rows(sin), interleaved)[0]
          .transpose(0, 1);
  const float empty = 0;
  rotary({.tokens = s.tokens,
          .heads = s.heads,
          .size = s.size,
          .rotated = s.rotated,
          .interleaved = interleaved,
          .scalar = kernel_scalar(x.tensor(), "test"),
          .x_NHE = x.data(),
          .x_stride = stride,
          .y_NHE = y.data(),
          .y_stride = stride,
          .positions = kPositions,
          .cos_PR = s.rotated > 0 ? cos.const_data_ptr<float>() : &empty,
          .sin_PR = s.rotated > 0 ? sin.const_data_ptr<float>() : &empty,
          .position_N = position.const_data_ptr<int64_t>()},
         kernel_place(x.tensor(), "test"));
  CHECK(rounding_error(entry.dtype, heads(y.tensor()), want) <= entry.most);
  CHECK(at::equal(y.tensor().narrow(1, stride - 5, 5), rest));
  CHECK(x.intact());
  CHECK(new_y.intact());
}

inline void check_rotary_everywhere(const KernelTolerance& entry) {
  for (const RotaryShape& s : kRotaryShapes) {
    for (const bool interleaved : {false, true}) {
      for (const bool in_place : {false, true}) {
        check_rotary(entry, s, interleaved, in_place);
        check_rotary(entry, s, interleaved, in_place, /*offset=*/3);  // not aligned for vector loads
      }
    }
  }
}

}  // namespace tacit::test
