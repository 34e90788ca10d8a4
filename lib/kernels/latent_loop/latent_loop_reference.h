#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "lib/kernels/latent_loop/latent_loop.h"

namespace tacit {

// LatentLoopArgs as tensors. Undefined = null.
struct LoopLinearTensors {
  at::Tensor weight_OI, bias_O;
};
struct LoopNormTensors {
  at::Tensor weight_D, bias_D;
};
struct LoopLayerTensors {
  LoopNormTensors attention_norm, mlp_norm, attention_post_norm, mlp_post_norm, stream_norm;
  LoopLinearTensors query_key_value;
  LoopNormTensors query_norm, key_norm;
  LoopLinearTensors out, up, down;
  at::Tensor k_BGCE, v_BGCE;       // in and out
  at::Tensor smear_G, last_k_BGE;  // the second in and out
};
struct LatentLoopTensors {
  LatentLoopArgs sizes;  // numbers and choices alone: its pointers and `layers` are not read
  std::vector<LoopLayerTensors> block;
  at::Tensor cos_PE, sin_PE, positions_PD;
  LoopNormTensors final_norm;
  LoopLinearTensors halt;
  std::vector<int64_t> stored_B, active_B;  // the second may be empty
  at::Tensor x_BD, hidden_BD;               // the second in and out
  at::Tensor trace_BND;                     // undefined, or out
  std::vector<int64_t> steps_B;             // out
};

// The definition that every latent_loop() is tested against: row by row and step by step, in the tensors' own dtype.
// What enters x, hidden, trace, keys or values is rounded to `stored_as` on the way, so that fp64 tensors show what
// bf16 memory around exact arithmetic gives.
void latent_loop_reference(LatentLoopTensors& tensors, at::ScalarType stored_as);

}  // namespace tacit
