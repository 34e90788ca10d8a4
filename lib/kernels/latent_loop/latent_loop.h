#pragma once

#include <cstdint>

#include "lib/kernels/types.h"

namespace tacit {

// The latent loop: `steps` times, each row's vector goes through every block of a decoder at the row's next position,
// keys and values are stored, and the hidden state that comes out is the next input [Coconut, arXiv:2412.06769].
// Nothing returns to the host in between. With steps = 1 it is one step of decoding.
//
// A weight matrix is [outputs, inputs], in the layout that the device reads: packed by packed_linear on the CPU,
// row-major on CUDA, where the scales of int8 stand behind it (pack_rows() in int8_rows.h); int8 there goes with bf16.
// All weights but the blocks' matrices, which have a `format`, x, hidden, trace, keys and values are `scalar`.
// Arithmetic is fp32, and so is what one block hands to the next: values are rounded where they enter one of those
// arrays and nowhere else. A thought is rounded twice, as the hidden state and as the next input, so that one step a
// call gives what all in one call give.
struct LoopLinear {
  const void* weight_OI = nullptr;
  const void* bias_O = nullptr;  // null = none
  int64_t outputs = 0, inputs = 0;
};

struct LoopNorm {
  const void* weight = nullptr;  // null = no norm here
  const void* bias = nullptr;    // layer norm only; null = none
};

enum class LoopActivation { gelu, gelu_tanh, silu, relu, relu_squared };

// One run of a block. Blocks that run again appear again, with a memory of their own.
struct LoopLayer {
  LoopNorm attention_norm, mlp_norm;
  LoopNorm attention_post_norm, mlp_post_norm;  // on what is added to the residual stream [Ouro]
  LoopNorm stream_norm;                         // on the stream after this block [Ouro, between recurrences]
  LoopLinear query_key_value;                   // stacked: H*E rows of query, G*E of key, G*E of value
  LoopNorm query_norm, key_norm;                // [E], RMS, before rotation [Qwen3]
  LoopLinear out;
  LoopLinear up;  // gated: F rows of gate above F of up, down(act(gate x) * up x); else down(act(up x))
  LoopLinear down;
  void* k_BGCE = nullptr;  // C columns allocated; row b holds stored_B[b]
  void* v_BGCE = nullptr;
  // Key j is stored as (1 - s) k_j + s k_{j-1}, s in (0, 1) a KV head [Olsson et al. 2022, arXiv:2209.11895].
  const float* smear_G = nullptr;  // null = keys as they are
  void* last_k_BGE = nullptr;      // with smear_G, in and out: every row's last key before smearing
};

struct LatentLoopArgs {
  int64_t rows = 0;                                                                    // B
  int64_t steps = 1;                                                                   // N
  int64_t layers = 0, size = 0, heads = 0, kv_heads = 0, head_size = 0, mlp_size = 0;  // L, D, H, G, E, F
  int64_t columns = 0;                                                                 // C
  Scalar scalar = Scalar::fp32;
  WeightFormat format = WeightFormat::scalar;  // of the blocks' matrices
  bool layer_norm = false;                     // else RMS
  float eps = 1e-5f;
  bool parallel = false;  // attention and MLP both read the block's input [GPT-NeoX]
  bool gated = true;
  LoopActivation activation = LoopActivation::silu;
  float attention_scale = 0;
  int64_t rotary_size = 0;  // of each head; 0 = none
  bool rotary_interleaved = false;
  const float* cos_PE = nullptr;  // [positions, rotary_size]
  const float* sin_PE = nullptr;
  const void* positions_PD = nullptr;  // learned; null = none
  const LoopLayer* block = nullptr;    // L of them, on the host
  LoopNorm final_norm;
  bool feed_normed = true;  // the next input is the hidden state after the final norm, else before
  // Learned halting: a row stops before it consumes a thought whose sigmoid(halt . normed hidden) exceeds the
  // threshold.
  LoopLinear halt;  // [1, D]; weight null = never
  float halt_threshold = 0.5f;

  const int64_t* stored_B = nullptr;  // tokens stored before the first step
  const int64_t* active_B = nullptr;  // 0 = this row takes no part and nothing of it changes; null = all take part
  const void* x_BD = nullptr;         // the first input
  void* hidden_BD = nullptr;          // in and out: the hidden state before the final norm at each row's last position
  void* trace_BND = nullptr;          // null, or the inputs in the order consumed
  int64_t* steps_B = nullptr;         // null, or steps taken by row
};

void latent_loop(const LatentLoopArgs& args, const Place& place);

// What latent_loop() calls once the arguments are checked.
void latent_loop_cpu(const LatentLoopArgs& args);
void latent_loop_cuda(const LatentLoopArgs& args, void* stream);

}  // namespace tacit
