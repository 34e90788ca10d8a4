#pragma once

#include <cstring>

#include "lib/kernels/latent_loop/loop_plan.cuh"

// What the device code is told, made of the call's arguments. Host code.
namespace tacit::device {

inline LayerPointers pointers_of(const LoopLayer& layer) {
  LayerPointers out;
  out.attention_norm = layer.attention_norm;
  out.mlp_norm = layer.mlp_norm;
  out.attention_post_norm = layer.attention_post_norm;
  out.mlp_post_norm = layer.mlp_post_norm;
  out.stream_norm = layer.stream_norm;
  out.query_norm = layer.query_norm;
  out.key_norm = layer.key_norm;
  out.query_key_value = layer.query_key_value.weight_OI;
  out.query_key_value_bias = layer.query_key_value.bias_O;
  out.out = layer.out.weight_OI;
  out.out_bias = layer.out.bias_O;
  out.up = layer.up.weight_OI;
  out.up_bias = layer.up.bias_O;
  out.down = layer.down.weight_OI;
  out.down_bias = layer.down.bias_O;
  out.k_BGCE = layer.k_BGCE;
  out.v_BGCE = layer.v_BGCE;
  return out;
}

inline LoopRequest request_of(const LatentLoopArgs& args) {
  return {args.steps, 0, args.stored_B, args.active_B, args.x_BD, args.hidden_BD, args.trace_BND, args.steps_B};
}

// Settings that bring a call with all its layers, each a kernel's argument.
inline LoopSetting setting_of(const LatentLoopArgs& args, int64_t first) {
  LoopSetting out = {};
  out.request = request_of(args);
  out.first = static_cast<int>(first);
  for (int64_t l = first; l < args.layers && out.count < kLayersAtOnce; ++l)
    out.layer[out.count++] = pointers_of(args.block[l]);
  return out;
}

// Blocks that have outputs to work on in every phase, a tile's in the widest, at most `most`.
inline int blocks_of(const LatentLoopArgs& args, int most) {
  const int64_t qkv = (args.heads + 2 * args.kv_heads) * args.head_size, up = (args.gated ? 2 : 1) * args.mlp_size;
  int64_t blocks = divide_up(qkv > up ? qkv : up, kTile);
  for (const int64_t bound : {qkv, args.size, args.mlp_size, static_cast<int64_t>(most)})
    blocks = bound < blocks ? bound : blocks;
  return static_cast<int>(blocks);
}

// The plan of a shape without its workspace, for groups of `rows`, of the persistent kernel (`all`) or the graph's.
// Every byte is set: plans are compared by their bytes.
inline LoopPlan plan_of(const LatentLoopArgs& args, int rows, int blocks, bool all) {
  alignas(LoopPlan) char bytes[sizeof(LoopPlan)];
  std::memset(bytes, 0, sizeof bytes);
  LoopPlan& plan = *reinterpret_cast<LoopPlan*>(bytes);
  plan.rows = static_cast<int>(args.rows);
  plan.layers = static_cast<int>(args.layers);
  plan.size = static_cast<int>(args.size);
  plan.heads = static_cast<int>(args.heads);
  plan.kv_heads = static_cast<int>(args.kv_heads);
  plan.head_size = static_cast<int>(args.head_size);
  plan.mlp_size = static_cast<int>(args.mlp_size);
  plan.columns = args.columns;
  plan.layer_norm = args.layer_norm;
  plan.parallel = args.parallel;
  plan.gated = args.gated;
  plan.feed_normed = args.feed_normed;
  plan.rotary_interleaved = args.rotary_interleaved;
  plan.activation = args.activation;
  plan.eps = args.eps;
  plan.attention_scale = args.attention_scale;
  plan.halt_threshold = args.halt_threshold;
  plan.rotary_size = static_cast<int>(args.rotary_size);
  plan.cos_PE = args.cos_PE;
  plan.sin_PE = args.sin_PE;
  plan.positions_PD = args.positions_PD;
  plan.final_norm = args.final_norm;
  plan.halt_D = args.halt.weight_OI;
  plan.halt_bias = args.halt.bias_O;
  static_assert(kChunks<Int8> == kChunks<Bf16>, "int8 goes with bf16");
  plan.shared = shared_plan(plan, rows, blocks, args.scalar == Scalar::fp32 ? kChunks<float> : kChunks<Bf16>, all);
  return plan;
}

// Whether all that eights are read of can be read in 16-byte accesses.
inline bool reads_vectors(const LatentLoopArgs& args) {
  bool aligned = args.size % kEight == 0 && args.head_size % kEight == 0 && args.mlp_size % kEight == 0;
  const auto check = [&](const void* array) { aligned = aligned && reinterpret_cast<uintptr_t>(array) % 16 == 0; };
  const auto check_norm = [&](const LoopNorm& norm) {
    check(norm.weight);
    check(norm.bias);
  };
  for (int64_t l = 0; l < args.layers; ++l) {
    const LoopLayer& layer = args.block[l];
    for (const LoopNorm* norm :
         {&layer.attention_norm, &layer.mlp_norm, &layer.attention_post_norm, &layer.mlp_post_norm, &layer.stream_norm})
      check_norm(*norm);
    for (const LoopLinear* linear : {&layer.query_key_value, &layer.out, &layer.up, &layer.down})
      check(linear->weight_OI);
    check(layer.k_BGCE);
    check(layer.v_BGCE);
  }
  check_norm(args.final_norm);
  check(args.halt.weight_OI);
  check(args.x_BD);
  check(args.hidden_BD);
  return aligned;
}

}  // namespace tacit::device
