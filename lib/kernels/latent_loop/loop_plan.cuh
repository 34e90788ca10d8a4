#pragma once

#include "lib/kernels/device/column_attention.cuh"
#include "lib/kernels/device/norm_rows.cuh"
#include "lib/kernels/latent_loop/latent_loop.h"

// What the device code of the latent loop is told, and how its memory is laid out. The host fills all of it.
namespace tacit::device {

struct LayerPointers {
  LoopNorm attention_norm, mlp_norm, attention_post_norm, mlp_post_norm, stream_norm, query_norm, key_norm;
  const void *query_key_value, *query_key_value_bias, *out, *out_bias, *up, *up_bias, *down, *down_bias;
  void *k_BGCE, *v_BGCE;
};

inline constexpr int kLayersAtHand = 3;  // the one that runs, the one before it and the next

// What differs from call to call.
struct LoopRequest {
  int64_t steps;
  uint32_t tag;  // no tag of an earlier call is above it; 0 = kernels of a graph, which need none
  const int64_t *stored_B, *active_B;
  const void* x_BD;
  void *hidden_BD, *trace_BND;
  int64_t* steps_B;
};

// A call and some of its layers, as a kernel's argument: 4 KiB at most.
inline constexpr int kLayersAtOnce = 16;
struct LoopSetting {
  LoopRequest request;
  int first, count;  // layers here; with first = 0 the rest is set as well
  LayerPointers layer[kLayersAtOnce];
};

struct RowState {
  int active;    // takes part in the step at hand
  int position;  // of that step, which is the number of tokens stored
  int steps;     // taken in this call
};

// Floats of shared memory. The rows that attention works with lie where the products keep x.
struct SharedPlan {
  int x = 0, second_x = 0, stream = 0, norms = 0, pairs = 0, results = 0, moments = 0, rows = 0, layers = 0, shares = 0;
  int64_t floats = 0;
};

struct LoopPlan {
  int rows, layers, size, heads, kv_heads, head_size, mlp_size;
  int64_t columns;
  bool layer_norm, parallel, gated, feed_normed, rotary_interleaved;
  LoopActivation activation;
  float eps, attention_scale, halt_threshold;
  int rotary_size;
  const float *cos_PE, *sin_PE;
  const void* positions_PD;
  LoopNorm final_norm;
  const void *halt_D, *halt_bias;

  SharedPlan shared;
  int64_t prefetch_bytes;  // of a block's share of a phase's weights

  // The workspace. What blocks tell each other is tagged: a phase begins with what it needs, not with a barrier. An
  // array is written again when everyone is done with it, which the writer knows by what it has read: every block has a
  // share of qkv, acts and delta, tells it when it is done with what it read before, and reads all of delta. All of
  // acts (before delta of mlp_out) says that all have read delta of attention_out; a head's part of found (before that)
  // that all have told qkv, hence read the layer before's delta; all of delta that all have read qkv, found and acts.
  Tagged *delta, *qkv, *acts, *found;
  TaggedPair* found_pairs;
  float* base[3];  // of the graph's kernels: the stream without delta, and a step's input (kInputBase)
  RowState* row;
  LoopRequest* request;
  LayerPointers* layer;

  TACIT_BOTH int query_size() const { return heads * head_size; }
  TACIT_BOTH int qkv_size() const { return (heads + 2 * kv_heads) * head_size; }
  TACIT_BOTH int up_size() const { return gated ? 2 * mlp_size : mlp_size; }
  TACIT_BOTH int64_t stride() const { return x_stride(size); }  // of base
};

// What a step is made of.
enum class LoopPhase {
  between,        // hidden states, halting, the next inputs
  attention_in,   // query, key and value; with a parallel block up, too
  attention,      // rotation, storing, the parts of the softmax
  attention_out,  // delta = out; with a parallel block + down
  mlp_in,         // up
  mlp_out,        // delta = down
};

// Of a layer, in order.
struct LayerPhases {
  LoopPhase phase[5];
  int count;
  TACIT_BOTH const LoopPhase* begin() const { return phase; }
  TACIT_BOTH const LoopPhase* end() const { return phase + count; }
};
TACIT_BOTH LayerPhases phases_of(const LoopPlan& plan) {
  return {
      {LoopPhase::attention_in, LoopPhase::attention, LoopPhase::attention_out, LoopPhase::mlp_in, LoopPhase::mlp_out},
      plan.parallel ? 3 : 5};
}

// The stream entering a phase is base + delta. A phase of the graph reads one base and writes another, since some
// blocks may still be reading: a sequential block turns the stream over twice, before the query and before the MLP, a
// parallel one once. `between` takes the stream that layer number `layers` would find.
inline constexpr int kInputBase = 2;
struct Bases {
  int from, to;  // to < 0: not written
};
TACIT_BOTH Bases bases_of(const LoopPlan& plan, LoopPhase phase, int layer) {
  if (phase == LoopPhase::mlp_in) return {layer == 0 ? kInputBase : 0, 1};
  if (layer == 0) return {kInputBase, -1};
  if (plan.parallel) return {layer == 1 ? kInputBase : (layer - 1) % 2, phase == LoopPhase::between ? -1 : layer % 2};
  return {1, phase == LoopPhase::between ? -1 : 0};
}

// A block's share of a phase's outputs.
TACIT_BOTH WeightRows rows_of(int64_t outputs, int block, int blocks) {
  const int total = static_cast<int>(outputs), each = total / blocks, rest = total - each * blocks;
  const int begin = each * block + rest * block / blocks, end = each * (block + 1) + rest * (block + 1) / blocks;
  return {begin, -1, end - begin};
}
// The MLP's: the same outputs of gate and up.
TACIT_BOTH WeightRows up_rows_of(const LoopPlan& plan, int block, int blocks) {
  WeightRows out = rows_of(plan.mlp_size, block, blocks);
  if (plan.gated) out.second = plan.mlp_size + out.first;
  return out;
}

inline constexpr int64_t kShareFloats = 9;  // LoopShares
// `all`: of the persistent kernel, which keeps the stream there.
TACIT_BOTH SharedPlan shared_plan(const LoopPlan& plan, int rows, int blocks, int chunks_at_once, bool all) {
  const auto larger = [](int64_t a, int64_t b) { return a > b ? a : b; };
  const int64_t widest = larger(larger(plan.stride(), x_stride(plan.query_size())), x_stride(plan.mlp_size));
  const int64_t head = round_up(plan.head_size, kEight);
  const auto results = [&](int64_t outputs, int gates, int64_t inputs) {
    return product_floats(gates * divide_up(outputs, blocks), inputs, rows, chunks_at_once);
  };
  SharedPlan out;
  int64_t at = 0;
  const auto take = [&](int64_t floats) {
    const int64_t here = at;
    at += round_up(floats, kChunk / 2);
    return static_cast<int>(here);
  };
  out.x = take(larger(widest * rows, 5 * head + attention_floats(head)));
  if (plan.parallel) out.second_x = take(plan.stride() * rows);
  if (all) out.stream = take(plan.stride() * rows);
  out.norms = take((plan.parallel ? 4 : 2) * plan.stride());
  out.pairs = take(int64_t{2} * rows * plan.heads * kMostSplits);
  out.results =
      take(larger(larger(results(plan.qkv_size(), 1, plan.size), results(plan.size, 1, plan.query_size())),
                  larger(results(plan.mlp_size, plan.gated ? 2 : 1, plan.size), results(plan.size, 1, plan.mlp_size))));
  out.moments = take(2 * kMostRows);
  out.rows = take(divide_up(rows * static_cast<int64_t>(sizeof(RowState)), sizeof(float)));
  out.layers = take(kLayersAtHand * static_cast<int64_t>(sizeof(LayerPointers) / sizeof(float)));
  out.shares = take(kShareFloats);
  out.floats = at;
  return out;
}

// Bytes of the workspace for these sizes; with `memory`, also fills the plan's pointers.
TACIT_BOTH int64_t place_workspace(LoopPlan& plan, char* memory) {
  int64_t at = 0;
  const auto take = [&](int64_t bytes) {
    char* const here = memory + at;
    at += round_up(bytes, 256);
    return here;
  };
  const int64_t rows = plan.rows, word = sizeof(float);
  plan.request = reinterpret_cast<LoopRequest*>(take(sizeof(LoopRequest)));
  plan.layer = reinterpret_cast<LayerPointers*>(take(plan.layers * static_cast<int64_t>(sizeof(LayerPointers))));
  plan.row = reinterpret_cast<RowState*>(take(rows * static_cast<int64_t>(sizeof(RowState))));
  for (float*& base : plan.base) base = reinterpret_cast<float*>(take(rows * plan.stride() * word));
  const auto tagged = [&](int64_t numbers) {
    return reinterpret_cast<Tagged*>(take(numbers * static_cast<int64_t>(sizeof(Tagged))));
  };
  const int64_t parts = rows * plan.heads * kMostSplits;
  plan.delta = tagged(rows * plan.size);
  plan.qkv = tagged(rows * plan.qkv_size());
  plan.acts = tagged(rows * plan.mlp_size);
  plan.found = tagged(parts * plan.head_size);
  plan.found_pairs = reinterpret_cast<TaggedPair*>(tagged(2 * parts));
  return at;
}

}  // namespace tacit::device
