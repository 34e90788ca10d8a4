#include "lib/model/products.h"

#include <algorithm>
#include <optional>

#include "lib/core/error.h"
#include "lib/kernels/gemm/gemm.h"
#include "lib/kernels/tensors.h"

namespace tacit {
namespace {

bool is_cpu_bf16(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kBFloat16; }

// The kernel's path for a b, if it is faster than LibTorch's product (docs/log.md). `rows` are the tokens, any of M, N
// and K: few of them, and by tiles up to hundreds beside a vocabulary's weight, wait for memory. By AVX2 deep rows
// would leave the caches.
std::optional<GemmPath> gemm_for(int64_t rows, int64_t M, int64_t N, int64_t K, const at::Tensor& a,
                                 const at::Tensor& b) {
  constexpr int64_t kManyRows = 64, kRowsOfAny = 512, kLargeWeight = int64_t{1} << 24, kDeepest = 8192, kTile = 16;
  const auto type = a.scalar_type();
  const bool of_one_type = a.is_cpu() && b.is_cpu() && type == b.scalar_type();
  if (rows < kManyRows || !of_one_type || (type != at::kFloat && type != at::kBFloat16)) return std::nullopt;
  const std::optional<GemmPath> path = fast_gemm(kernel_scalar(a, "linear"));
  if (path == GemmPath::avx2 && (K > kDeepest || std::min({M, N, K}) < kTile)) return std::nullopt;
  if (path == GemmPath::tiles && rows < kRowsOfAny && M * N * K / rows > kLargeWeight) return std::nullopt;
  return path;
}

// As the kernel takes it: one of the strides is 1.
at::Tensor unit_stride(const at::Tensor& x) { return x.stride(0) == 1 || x.stride(1) == 1 ? x : x.contiguous(); }

// y (+)= a b + bias
void multiply(GemmPath path, const at::Tensor& strided_a, const at::Tensor& strided_b, const at::Tensor& bias_N,
              bool add, const at::Tensor& y_MN) {
  require(strided_a.size(1) == strided_b.size(0), "linear", "expected ", strided_b.size(0),
          " numbers a row, as many as the weight takes, but got ", strided_a.size(1));
  const int64_t M = strided_a.size(0), N = strided_b.size(1);
  require(!bias_N.defined() || bias_N.numel() == N, "linear", "expected a bias of ", N, " numbers but got ",
          bias_N.defined() ? bias_N.numel() : 0);
  require(y_MN.numel() == M * N && y_MN.is_contiguous() && y_MN.scalar_type() == strided_a.scalar_type(), "linear",
          "expected ", M, " x ", N, " contiguous numbers of ", strided_a.scalar_type(), " to write to but got ",
          shape_text(y_MN.sizes()), " of ", y_MN.scalar_type());
  const at::Tensor a = unit_stride(strided_a), b = unit_stride(strided_b);
  const at::Tensor bias = bias_N.defined() ? bias_N.contiguous() : bias_N;
  gemm(path, {.type = kernel_scalar(a, "linear"),
              .rows = a.size(0),
              .columns = b.size(1),
              .depth = a.size(1),
              .a_MK = {a.const_data_ptr(), a.stride(0), a.stride(1)},
              .b_KN = {b.const_data_ptr(), b.stride(0), b.stride(1)},
              .bias_N = bias.defined() ? bias.const_data_ptr() : nullptr,
              .add = add,
              .y_MN = y_MN.mutable_data_ptr()});
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
  const bool of_one_type = !bias_O.defined() || (bias_O.is_cpu() && bias_O.scalar_type() == x.scalar_type());
  const int64_t rows = x.numel() / std::max<int64_t>(x.size(-1), 1);
  const auto path =
      of_one_type ? gemm_for(rows, rows, weight_OI.size(0), weight_OI.size(1), x, weight_OI) : std::nullopt;
  if (path) {
    std::vector<int64_t> sizes = x.sizes().vec();
    sizes.back() = weight_OI.size(0);
    const at::Tensor y = at::empty(sizes, x.options());
    multiply(*path, x.reshape({-1, x.size(-1)}), weight_OI.t(), bias_O, /*add=*/false, y);
    return y;
  }
  if (!faster_widened(x, weight_OI)) return at::linear(x, weight_OI, bias_O);
  const at::Tensor bias = bias_O.defined() ? bias_O.to(at::kFloat) : bias_O;
  return at::linear(x.to(at::kFloat), weight_OI.to(at::kFloat), bias).to(at::kBFloat16);
}

at::Tensor transposed_product(const at::Tensor& x_NO, const at::Tensor& weight_OI) {
  const auto path = gemm_for(x_NO.size(0), x_NO.size(0), weight_OI.size(1), x_NO.size(1), x_NO, weight_OI);
  if (!path) return at::mm(x_NO, weight_OI);
  const at::Tensor y_NI = at::empty({x_NO.size(0), weight_OI.size(1)}, x_NO.options());
  multiply(*path, x_NO, weight_OI, {}, /*add=*/false, y_NI);
  return y_NI;
}

void add_outer_products(const at::Tensor& outputs_NO, const at::Tensor& inputs_NI, at::Tensor& sum_OI) {
  const bool add = sum_OI.defined();
  const int64_t rows = outputs_NO.size(0);
  const auto path = gemm_for(rows, outputs_NO.size(1), inputs_NI.size(1), rows, outputs_NO, inputs_NI);
  if (path) {
    if (!add) sum_OI = at::empty({outputs_NO.size(1), inputs_NI.size(1)}, outputs_NO.options());
    multiply(*path, outputs_NO.t(), inputs_NI, {}, add, sum_OI);
  } else if (add) {
    sum_OI.addmm_(outputs_NO.t(), inputs_NI);
  } else {
    sum_OI = at::mm(outputs_NO.t(), inputs_NI);
  }
}

}  // namespace tacit
