#pragma once

#include <cstdint>

#include "lib/kernels/cpu_vectors.h"
#include "lib/kernels/types.h"

namespace tacit {

// The inner product of the CPU's packed weights, for kernels that are made of more than one.

inline constexpr int64_t kPanel = 64;  // outputs that lie together

// y[panels, rows, 64] = x[rows, inputs] times panels that lie one after the other. Every y is one chain of fused
// multiply-adds over the inputs in order, in int8 times its scale, whatever `rows` and `panels` are and whatever stands
// in the other rows.
struct PanelCall {
  const void* weight = nullptr;
  int64_t inputs = 0, rows = 0;
  int64_t panels = 1;  // 1 .. kPanelsTogether
  const float* x = nullptr;
  int64_t x_stride = 0;  // between rows of x, in floats
  float* y = nullptr;
};
using PanelProduct = void (*)(const PanelCall&);

// As what the weights of a panel lie in memory.
enum class PanelKind { fp32, bf16, int8 };
inline PanelKind panel_kind(Scalar scalar, WeightFormat format) {
  if (format == WeightFormat::int8) return PanelKind::int8;
  return scalar == Scalar::fp32 ? PanelKind::fp32 : PanelKind::bf16;
}

// `vectors`: at most what this CPU has.
PanelProduct panel_product(PanelKind kind, CpuVectors vectors = cpu_vectors());

// How many of `left` panels a call should take. For a single row several: with AVX-512 each is then read as a stream of
// its own, and one stream a core does not fill the way to memory (docs/log.md).
inline constexpr int64_t kPanelsTogether = 6;
int64_t panels_together(int64_t rows, int64_t left);

// Bytes of one panel of `inputs`, and in int8 where in it its 64 scales lie.
int64_t panel_bytes(int64_t inputs, PanelKind kind);
int64_t panel_scales_at(int64_t inputs);

}  // namespace tacit
