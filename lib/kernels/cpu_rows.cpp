#include "lib/kernels/cpu_rows.h"

#include <algorithm>

#include "lib/kernels/bf16.h"
#include "lib/kernels/cpu_clones.h"

namespace tacit {
namespace {

TACIT_CPU_CLONES void add_fp32(int64_t count, const float* x, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] += x[i];
}
TACIT_CPU_CLONES void add_bf16(int64_t count, const Bf16* x, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] += widen(x[i]);
}
TACIT_CPU_CLONES void widen_bf16(int64_t count, const Bf16* x, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = widen(x[i]);
}
TACIT_CPU_CLONES void narrow_bf16(int64_t count, const float* x, Bf16* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = narrow<Bf16>(x[i]);
}
TACIT_CPU_CLONES void round_bf16(int64_t count, float* x) {
  for (int64_t i = 0; i < count; ++i) x[i] = widen(narrow<Bf16>(x[i]));
}

}  // namespace

void add_row(int64_t count, const float* x, float* y) { add_fp32(count, x, y); }

void add_row(Scalar scalar, int64_t count, const void* x, float* y) {
  if (scalar == Scalar::fp32) return add_fp32(count, static_cast<const float*>(x), y);
  add_bf16(count, static_cast<const Bf16*>(x), y);
}

void widen_row(Scalar scalar, int64_t count, const void* x, float* y) {
  if (scalar == Scalar::bf16) return widen_bf16(count, static_cast<const Bf16*>(x), y);
  std::copy_n(static_cast<const float*>(x), count, y);
}

void narrow_row(Scalar scalar, int64_t count, const float* x, void* y) {
  if (scalar == Scalar::bf16) return narrow_bf16(count, x, static_cast<Bf16*>(y));
  std::copy_n(x, count, static_cast<float*>(y));
}

void round_row(Scalar scalar, int64_t count, float* x) {
  if (scalar == Scalar::bf16) round_bf16(count, x);
}

}  // namespace tacit
