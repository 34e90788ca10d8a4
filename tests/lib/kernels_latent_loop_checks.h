#pragma once

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "lib/kernels/int8_rows.h"
#include "lib/kernels/latent_loop/loop_call.h"
#include "tests/support/guarded.h"

namespace tacit::test {

struct LatentLoopCase {
  at::DeviceType device;
  at::ScalarType dtype;
  double tolerance;  // of the largest value; bf16: a rounding that falls the other way, amplified by the steps after it
};

struct LatentLoopShape {
  std::string name;
  int64_t rows = 3, steps = 3, layers = 2, size = 48, heads = 4, kv_heads = 2, head_size = 16, mlp_size = 72;
  bool layer_norm = false, parallel = false, gated = true, bias = true;
  bool sandwich = false, stream_norm = false, head_norms = false, positions = false, smeared = false, halt = false;
  bool feed_normed = true, inactive = false, interleaved = false;
  int64_t rotary_size = 8, columns = 24, idle = 0;  // idle: rows, the first, that take no part
  std::vector<int64_t> stored;                      // of the first rows; else drawn
  LoopActivation activation = LoopActivation::silu;
  bool int8 = false;  // weights of blocks
};

inline std::vector<LatentLoopShape> latent_loop_shapes() {
  return {
      {.name = "llama"},
      {.name = "one row", .rows = 1},
      {.name = "many rows", .rows = 19},
      {.name = "gpt2",
       .layer_norm = true,
       .gated = false,
       .positions = true,
       .rotary_size = 0,
       .activation = LoopActivation::gelu_tanh},
      {.name = "neox", .layer_norm = true, .parallel = true, .gated = false, .activation = LoopActivation::gelu},
      {.name = "parallel and gated", .parallel = true},
      {.name = "qwen3", .bias = false, .head_norms = true, .rotary_size = 16},
      {.name = "ouro", .sandwich = true, .stream_norm = true},
      {.name = "smeared", .smeared = true},
      {.name = "before the norm", .feed_normed = false},
      {.name = "halting", .rows = 7, .steps = 5, .halt = true},
      {.name = "some rows", .rows = 5, .inactive = true},
      {.name = "interleaved", .interleaved = true},
      {.name = "relu", .activation = LoopActivation::relu},
      {.name = "squared", .gated = false, .activation = LoopActivation::relu_squared},
      {.name = "whole panels", .size = 64, .mlp_size = 128},
      {.name = "whole panels, parallel", .size = 64, .mlp_size = 128, .parallel = true},
      {.name = "one head", .heads = 1, .kv_heads = 1, .head_size = 64},
      {.name = "a team's worth",
       .rows = 2,
       .steps = 2,
       .size = 512,
       .heads = 8,
       .kv_heads = 4,
       .head_size = 64,
       .mlp_size = 1000},
      {.name = "one wide row", .rows = 1, .steps = 2, .size = 512, .heads = 8, .kv_heads = 4, .mlp_size = 1000},
      {.name = "first rows idle", .rows = 19, .idle = 9},
      // The device looks at columns in parts: steps that begin another, or wider ones.
      {.name = "several parts", .rows = 3, .steps = 4, .columns = 400, .stored = {396, 126, 382}},
      {.name = "one row of several parts", .rows = 1, .steps = 4, .columns = 400, .stored = {254}},
      {.name = "int8", .int8 = true},
      {.name = "int8, gpt2",
       .rows = 1,
       .layer_norm = true,
       .gated = false,
       .positions = true,
       .rotary_size = 0,
       .activation = LoopActivation::gelu_tanh,
       .int8 = true},
      {.name = "int8, parallel, halting", .rows = 7, .steps = 5, .parallel = true, .halt = true, .int8 = true},
      {.name = "int8, no eights, many rows", .rows = 19, .size = 45, .head_size = 10, .mlp_size = 71, .int8 = true},
      {.name = "int8, a team's worth",
       .rows = 1,
       .steps = 2,
       .size = 512,
       .heads = 8,
       .kv_heads = 4,
       .head_size = 64,
       .mlp_size = 1000,
       .int8 = true},
      {.name = "wide parts", .rows = 2, .steps = 3, .columns = 1100, .stored = {1022, 895}},
  };
}

// Fresh random tensors in fp64, rounded to the storage dtype.
inline LatentLoopTensors random_loop(const LatentLoopShape& s, at::ScalarType stored_as, uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const auto random = [&](at::IntArrayRef shape, double deviation = 1, double mean = 0) {
    const at::Tensor x = at::randn(shape, generator, at::kDouble) * deviation + mean;
    return x.to(stored_as).to(at::kDouble);
  };
  const int64_t columns = s.columns, positions = s.columns;
  const int64_t D = s.size, H = s.heads, G = s.kv_heads, E = s.head_size, F = s.mlp_size, B = s.rows;
  const auto linear = [&](int64_t outputs, int64_t inputs) {
    return LoopLinearTensors{random({outputs, inputs}, 1 / std::sqrt(static_cast<double>(inputs))),
                             s.bias ? random({outputs}, 0.1) : at::Tensor()};
  };
  // What the int8 stands for, not rounded to `stored_as`.
  const auto matrix = [&](int64_t outputs, int64_t inputs) {
    LoopLinearTensors out = linear(outputs, inputs);
    if (s.int8) out.weight_OI = from_int8(to_int8(out.weight_OI), at::kFloat).to(at::kDouble);
    return out;
  };
  const auto norm = [&](int64_t size, bool layer) {
    return LoopNormTensors{random({size}, 0.2, 1), layer ? random({size}, 0.2) : at::Tensor()};
  };
  LatentLoopTensors t;
  t.sizes = {.steps = s.steps,
             .size = D,
             .heads = H,
             .kv_heads = G,
             .head_size = E,
             .mlp_size = F,
             .columns = columns,
             .format = s.int8 ? WeightFormat::int8 : WeightFormat::scalar,
             .layer_norm = s.layer_norm,
             .eps = 1e-5f,
             .parallel = s.parallel,
             .gated = s.gated,
             .activation = s.activation,
             .attention_scale = static_cast<float>(1 / std::sqrt(static_cast<double>(E))),
             .rotary_size = s.rotary_size,
             .rotary_interleaved = s.interleaved,
             .feed_normed = s.feed_normed};
  for (int64_t l = 0; l < s.layers; ++l) {
    LoopLayerTensors layer;
    layer.attention_norm = norm(D, s.layer_norm);
    layer.mlp_norm = norm(D, s.layer_norm);
    if (s.sandwich) layer.attention_post_norm = norm(D, s.layer_norm), layer.mlp_post_norm = norm(D, s.layer_norm);
    if (s.stream_norm && l + 1 < s.layers) layer.stream_norm = norm(D, s.layer_norm);
    layer.query_key_value = matrix((H + 2 * G) * E, D);
    if (s.head_norms) layer.query_norm = norm(E, false), layer.key_norm = norm(E, false);
    layer.out = matrix(D, H * E);
    layer.up = matrix(s.gated ? 2 * F : F, D);
    layer.down = matrix(D, F);
    layer.k_BGCE = random({B, G, columns, E});
    layer.v_BGCE = random({B, G, columns, E});
    if (s.smeared) layer.smear_G = at::rand({G}, generator, at::kFloat).to(at::kDouble);
    if (s.smeared) layer.last_k_BGE = random({B, G, E});
    t.block.push_back(layer);
  }
  if (s.rotary_size > 0) {
    const at::Tensor angle = at::rand({positions, s.rotary_size}, generator, at::kFloat) * 6;
    t.cos_PE = angle.cos().to(at::kDouble);
    t.sin_PE = angle.sin().to(at::kDouble);
  }
  if (s.positions) t.positions_PD = random({positions, D}, 0.3);
  t.final_norm = norm(D, s.layer_norm);
  if (s.halt) t.halt = linear(1, D);
  std::mt19937_64 draw(seed);
  for (int64_t b = 0; b < B; ++b) {
    t.stored_B.push_back(static_cast<int64_t>(draw() % static_cast<uint64_t>(columns - s.steps + 1)));
    if (s.inactive || s.idle > 0) t.active_B.push_back(b >= s.idle && !(s.inactive && b % 3 == 1));
  }
  t.stored_B[0] = columns - s.steps;
  std::ranges::copy(s.stored, t.stored_B.begin());
  t.x_BD = random({B, D});
  t.hidden_BD = random({B, D});
  t.trace_BND = at::zeros({B, s.steps, D}, at::kDouble);
  return t;
}

// Every tensor through `change`; cos, sin and smear, which are fp32 in memory, through `change32`.
inline LatentLoopTensors changed(const LatentLoopTensors& tensors,
                                 const std::function<at::Tensor(const at::Tensor&)>& change,
                                 const std::function<at::Tensor(const at::Tensor&)>& change32) {
  LatentLoopTensors t = tensors;
  const auto each = [](auto f, std::initializer_list<at::Tensor*> all) {
    for (at::Tensor* x : all) {
      if (x->defined()) *x = f(*x);
    }
  };
  for (LoopLayerTensors& l : t.block) {
    for (LoopNormTensors* n : {&l.attention_norm, &l.mlp_norm, &l.attention_post_norm, &l.mlp_post_norm, &l.stream_norm,
                               &l.query_norm, &l.key_norm})
      each(change, {&n->weight_D, &n->bias_D});
    for (LoopLinearTensors* n : {&l.query_key_value, &l.out, &l.up, &l.down}) each(change, {&n->weight_OI, &n->bias_O});
    each(change, {&l.k_BGCE, &l.v_BGCE, &l.last_k_BGE});
    each(change32, {&l.smear_G});
  }
  each(change32, {&t.cos_PE, &t.sin_PE});
  each(change, {&t.positions_PD, &t.final_norm.weight_D, &t.final_norm.bias_D, &t.halt.weight_OI, &t.halt.bias_O,
                &t.x_BD, &t.hidden_BD, &t.trace_BND});
  return t;
}

inline LatentLoopTensors on_device(const LatentLoopTensors& t, const LatentLoopCase& entry) {
  return changed(
      t, [&](const at::Tensor& x) { return x.to(entry.device, entry.dtype, false, /*copy=*/true).contiguous(); },
      [&](const at::Tensor& x) { return x.to(entry.device, at::kFloat, false, /*copy=*/true).contiguous(); });
}

// Relative to the largest element; of zeros, as the trace where every row halts at once, absolute.
inline double loop_error(const at::Tensor& got, const at::Tensor& want) {
  if (want.numel() == 0) return 0;
  const double size = want.abs().max().item<double>();
  return (got.to(at::kCPU, at::kDouble) - want).abs().max().item<double>() / (size > 0 ? size : 1);
}

// A whole run against the twin in fp64: hidden states, trace, steps, and everything that is remembered.
inline void check_latent_loop(const LatentLoopCase& entry, const LatentLoopShape& shape,
                              uint64_t seed = std::random_device()()) {
  CAPTURE(c10::toString(entry.dtype));
  CAPTURE(shape.name);
  CAPTURE(seed);
  LatentLoopTensors want = random_loop(shape, entry.dtype, seed);
  LatentLoopTensors got = on_device(want, entry);
  const Guarded hidden(got.hidden_BD.sizes(), got.hidden_BD.options()),
      trace(got.trace_BND.sizes(), got.trace_BND.options());
  hidden.tensor().copy_(got.hidden_BD);
  trace.tensor().copy_(got.trace_BND);
  got.hidden_BD = hidden.tensor();
  got.trace_BND = trace.tensor();
  LoopCall call(got);
  call.run();
  call.fetch_steps();
  latent_loop_reference(want, entry.dtype);
  CHECK(got.steps_B == want.steps_B);
  CHECK(loop_error(got.hidden_BD, want.hidden_BD) <= entry.tolerance);
  CHECK(loop_error(got.trace_BND, want.trace_BND) <= entry.tolerance);
  for (size_t l = 0; l < want.block.size(); ++l) {
    CHECK(loop_error(got.block[l].k_BGCE, want.block[l].k_BGCE) <= entry.tolerance);
    CHECK(loop_error(got.block[l].v_BGCE, want.block[l].v_BGCE) <= entry.tolerance);
    if (shape.smeared) CHECK(loop_error(got.block[l].last_k_BGE, want.block[l].last_k_BGE) <= entry.tolerance);
  }
  CHECK(hidden.intact());
  CHECK(trace.intact());
}

// Step by step is bitwise all at once, and each row alone is bitwise the row in its batch.
inline void check_latent_loop_bits(const LatentLoopCase& entry, const LatentLoopShape& shape) {
  CAPTURE(shape.name);
  const uint64_t seed = std::random_device()();
  CAPTURE(seed);
  const LatentLoopTensors start = random_loop(shape, entry.dtype, seed);
  LatentLoopTensors once = on_device(start, entry);
  LoopCall call(once);
  call.run();
  call.fetch_steps();
  const auto same = [](const at::Tensor& a, const at::Tensor& b) { CHECK(at::equal(a, b)); };
  if (!shape.halt) {  // the second call's input is the trace's second
    LatentLoopTensors first = on_device(start, entry);
    first.sizes.steps = 1;
    first.trace_BND = at::Tensor();
    LoopCall(first).run();
    LatentLoopTensors rest = first;
    rest.sizes.steps = shape.steps - 1;
    for (int64_t& stored : rest.stored_B) ++stored;
    rest.x_BD = once.trace_BND.select(1, 1).contiguous();
    LoopCall(rest).run();
    same(rest.hidden_BD, once.hidden_BD);
    for (size_t l = 0; l < start.block.size(); ++l) same(rest.block[l].k_BGCE, once.block[l].k_BGCE);
  }
  for (int64_t b = 0; b < shape.rows; ++b) {
    LatentLoopTensors alone = on_device(start, entry);
    const auto row = [&](at::Tensor& x) {
      if (x.defined()) x = x.narrow(0, b, 1).contiguous();
    };
    for (LoopLayerTensors& l : alone.block) row(l.k_BGCE), row(l.v_BGCE), row(l.last_k_BGE);
    row(alone.x_BD), row(alone.hidden_BD), row(alone.trace_BND);
    alone.stored_B = {start.stored_B[b]};
    if (!start.active_B.empty()) alone.active_B = {start.active_B[b]};
    LoopCall one(alone);
    one.run();
    one.fetch_steps();
    CHECK(alone.steps_B[0] == once.steps_B[b]);
    same(alone.hidden_BD[0], once.hidden_BD[b]);
    same(alone.trace_BND[0], once.trace_BND[b]);
    for (size_t l = 0; l < start.block.size(); ++l) same(alone.block[l].k_BGCE[0], once.block[l].k_BGCE[b]);
  }
}

}  // namespace tacit::test
