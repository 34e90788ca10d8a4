#include "lib/model/products.h"

#include <algorithm>

#include "lib/core/error.h"
#include "lib/kernels/bf16_gemm/bf16_gemm.h"

namespace tacit {
namespace {

bool is_cpu_bf16(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kBFloat16; }

// Fewer rows, and up to hundreds of a vocabulary's weight, wait for memory: LibTorch's products are then as fast
// (docs/log.md).
bool takes_gemm(int64_t rows, int64_t weight_size, const at::Tensor& x, const at::Tensor& y) {
  constexpr int64_t kManyRows = 64, kRowsOfAny = 512, kLargeWeight = int64_t{1} << 24;
  const bool many = rows >= kRowsOfAny || (rows >= kManyRows && weight_size <= kLargeWeight);
  return many && is_cpu_bf16(x) && is_cpu_bf16(y) && has_bf16_gemm();
}

// As the kernel takes it: one of the strides is 1.
at::Tensor unit_stride(const at::Tensor& x) { return x.stride(0) == 1 || x.stride(1) == 1 ? x : x.contiguous(); }

const Bf16* numbers(const at::Tensor& x) { return static_cast<const Bf16*>(x.const_data_ptr()); }

// y (+)= a b + bias
void gemm(const at::Tensor& strided_a, const at::Tensor& strided_b, const at::Tensor& bias_N, bool add,
          const at::Tensor& y_MN) {
  require(strided_a.size(1) == strided_b.size(0), "linear", "expected ", strided_b.size(0),
          " numbers a row, as many as the weight takes, but got ", strided_a.size(1));
  const int64_t M = strided_a.size(0), N = strided_b.size(1);
  require(!bias_N.defined() || bias_N.numel() == N, "linear", "expected a bias of ", N, " numbers but got ",
          bias_N.defined() ? bias_N.numel() : 0);
  require(y_MN.numel() == M * N && y_MN.is_contiguous() && is_cpu_bf16(y_MN), "linear", "expected ", M, " x ", N,
          " contiguous numbers of bf16 to write to but got ", shape_text(y_MN.sizes()), " of ", y_MN.scalar_type());
  const at::Tensor a = unit_stride(strided_a), b = unit_stride(strided_b);
  const at::Tensor bias = bias_N.defined() ? bias_N.contiguous() : bias_N;
  bf16_gemm({.rows = a.size(0),
             .columns = b.size(1),
             .depth = a.size(1),
             .a_MK = {numbers(a), a.stride(0), a.stride(1)},
             .b_KN = {numbers(b), b.stride(0), b.stride(1)},
             .bias_N = bias.defined() ? numbers(bias) : nullptr,
             .add = add,
             .y_MN = static_cast<Bf16*>(y_MN.mutable_data_ptr())});
}

// Where the CPU has no instructions for bf16, LibTorch's product of many rows takes twice as long as that of operands
// widened to fp32, the widening included, and twenty times as long where the weight is a transposed view, as GPT-2's
// are (docs/log.md). Either sums in fp32 and rounds once.
bool faster_widened(const at::Tensor& x, const at::Tensor& weight_OI) {
#if defined(__x86_64__)
  static const bool has_instructions = __builtin_cpu_supports("avx512bf16");
  if (has_instructions) return false;
#endif
  constexpr int64_t kManyRows = 32;
  if (!is_cpu_bf16(x)) return false;
  return !weight_OI.is_contiguous() || x.numel() >= kManyRows * x.size(-1);
}

}  // namespace

at::Tensor linear_product(const at::Tensor& x, const at::Tensor& weight_OI, const at::Tensor& bias_O) {
  const bool one_type = !bias_O.defined() || is_cpu_bf16(bias_O);
  if (one_type && takes_gemm(x.numel() / std::max<int64_t>(x.size(-1), 1), weight_OI.numel(), x, weight_OI)) {
    std::vector<int64_t> sizes = x.sizes().vec();
    sizes.back() = weight_OI.size(0);
    const at::Tensor y = at::empty(sizes, x.options());
    gemm(x.reshape({-1, x.size(-1)}), weight_OI.t(), bias_O, /*add=*/false, y);
    return y;
  }
  if (!faster_widened(x, weight_OI)) return at::linear(x, weight_OI, bias_O);
  const at::Tensor bias = bias_O.defined() ? bias_O.to(at::kFloat) : bias_O;
  return at::linear(x.to(at::kFloat), weight_OI.to(at::kFloat), bias).to(at::kBFloat16);
}

at::Tensor transposed_product(const at::Tensor& x_NO, const at::Tensor& weight_OI) {
  if (!takes_gemm(x_NO.size(0), weight_OI.numel(), x_NO, weight_OI)) return at::mm(x_NO, weight_OI);
  const at::Tensor y_NI = at::empty({x_NO.size(0), weight_OI.size(1)}, x_NO.options());
  gemm(x_NO, weight_OI, {}, /*add=*/false, y_NI);
  return y_NI;
}

void add_outer_products(const at::Tensor& outputs_NO, const at::Tensor& inputs_NI, at::Tensor& sum_OI) {
  const bool add = sum_OI.defined();
  if (takes_gemm(outputs_NO.size(0), outputs_NO.size(1) * inputs_NI.size(1), outputs_NO, inputs_NI)) {
    if (!add) sum_OI = at::empty({outputs_NO.size(1), inputs_NI.size(1)}, outputs_NO.options());
    gemm(outputs_NO.t(), inputs_NI, {}, add, sum_OI);
  } else if (add) {
    sum_OI.addmm_(outputs_NO.t(), inputs_NI);
  } else {
    sum_OI = at::mm(outputs_NO.t(), inputs_NI);
  }
}

}  // namespace tacit
