#pragma once

#include <cstdint>

#include "lib/kernels/cpu_vectors.h"
#include "lib/kernels/types.h"

namespace tacit {

enum class MlpActivation {
  gelu,          // x Phi(x) [arXiv:1606.08415]
  gelu_tanh,     // x / (1 + exp(-2 sqrt(2/pi) (x + 0.044715 x^3))), the same as its form with tanh
  silu,          // x / (1 + exp(-x))
  relu,          // max(x, 0)
  relu_squared,  // max(x, 0)^2 [arXiv:2109.08668]
};

// What stands between the products of a feed-forward part, element by element, computed in fp32 and rounded once:
//
//   y_N = act(gate_N) * up_N       [GLU variants, arXiv:2002.05202]
//   y_N = act(up_N)                where there is no gate
struct GatedMlpArgs {
  int64_t count = 0;             // N; 0 does nothing
  Scalar scalar = Scalar::fp32;  // of all three arrays
  MlpActivation activation = MlpActivation::silu;
  const void* gate_N = nullptr;  // null = none
  const void* up_N = nullptr;
  void* y_N = nullptr;  // may be gate_N or up_N
};

void gated_mlp(const GatedMlpArgs& args, const Place& place);

// The gradients by gate and up, given that by y. args.y_N is not used.
struct GatedMlpBackwardArgs {
  GatedMlpArgs forward;
  const void* d_y_N = nullptr;
  void* d_gate_N = nullptr;  // null where there is no gate
  void* d_up_N = nullptr;
};

void gated_mlp_backward(const GatedMlpBackwardArgs& args, const Place& place);

// What these call once the arguments are checked. `vectors`: at most what this CPU has.
void gated_mlp_cpu(const GatedMlpArgs& args, CpuVectors vectors = cpu_vectors());
void gated_mlp_backward_cpu(const GatedMlpBackwardArgs& args, CpuVectors vectors = cpu_vectors());
void gated_mlp_cuda(const GatedMlpArgs& args, void* stream);
void gated_mlp_backward_cuda(const GatedMlpBackwardArgs& args, void* stream);

}  // namespace tacit
