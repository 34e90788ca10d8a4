#include <cmath>

#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// Fields that name a part of the architecture, and the only value that this build runs.
void reject_other_parts(const JsonReader& in) {
  const auto only = [&](const char* field, const std::string& value) {
    if (in.string(field, value) != value) in.reject(field, "to be " + value);
  };
  only("injection_type", "linear");
  only("block_class_name", "SandwichBlock");
  only("norm_class_name", "RMSNorm_llama");
  only("mlp_class_name", "GatedMLP");
  only("nonlin_name", "SiLU");
  if (in.boolean("bias", false)) in.reject("bias", "to be false");
  if (in.number("test_time_noise", 0) != 0) in.reject("test_time_noise", "to be 0 (this build adds no noise)");
}

// Deviation of a state's start: that of the published embeddings, sqrt(2 / (5 D)), times their scale.
double read_state_deviation(const JsonReader& in, int64_t hidden_size, double scale) {
  const std::string start = in.string("state_init", "like-init");
  if (start == "zero") return 0;
  if (start != "like-init") in.reject("state_init", "to be like-init or zero");
  double deviation = std::sqrt(2 / (5 * static_cast<double>(hidden_size)));
  if (in.has("init_values")) deviation = in.object("init_values").number("std", deviation);
  if (!(deviation >= 0)) in.reject("init_values", "to hold a std of at least 0");
  return deviation * scale;
}

// A prelude, a core that runs mean_recurrence times on a state, the prelude's output injected each time, and a coda
// [Huginn, arXiv:2502.05171].
ModelConfig read_config(const JsonReader& in) {
  reject_other_parts(in);
  ModelConfig c;
  c.vocab_size = in.integer_in("vocab_size", 1, 1 << 24);
  c.vocab_size = in.integer("padded_vocab_size", c.vocab_size);
  if (c.vocab_size < 1 || c.vocab_size > 1 << 24) in.reject("padded_vocab_size", "to lie in 1..16777216");
  c.hidden_size = in.integer_in("n_embd", 1, 1 << 20);
  c.heads = in.integer_in("n_heads", 1, c.hidden_size);
  if (c.hidden_size % c.heads != 0) in.reject("n_heads", "to divide n_embd");
  c.head_size = c.hidden_size / c.heads;
  if (c.head_size % 2 != 0) in.reject("n_heads", "to give heads of even size");
  c.kv_heads = in.integer("num_key_value_heads", c.heads);
  if (c.kv_heads < 1 || c.heads % c.kv_heads != 0) in.reject("num_key_value_heads", "to divide n_heads");
  c.query_key_bias = in.boolean("qk_bias", true);
  if (c.query_key_bias && c.kv_heads != c.heads) in.reject("num_key_value_heads", "to equal n_heads beside qk_bias");
  c.mlp_size = in.integer_in("intermediate_size", 1, 1 << 24);
  c.max_positions = in.integer_in("block_size", 1, 1 << 24);
  c.norm_eps = read_norm_eps(in, "norm_eps", 1e-6);
  c.rotary.theta = in.number("rope_base", 50000.0);
  if (!(c.rotary.theta > 0)) in.reject("rope_base", "to be positive");
  c.rotary.size = c.head_size;
  c.rotary.interleaved = true;
  c.residual = Residual::outer_sandwich;
  c.tied_embeddings = in.boolean("tie_embeddings", true);
  c.embedding_scale = std::sqrt(static_cast<double>(c.hidden_size));
  if (in.has("init_values")) c.embedding_scale = in.object("init_values").number("embed_scale", c.embedding_scale);
  if (!(c.embedding_scale > 0)) in.reject("init_values", "to hold a positive embed_scale");
  if (in.has("rope_scaling")) in.reject("rope_scaling", "to be absent (this build does not scale Huginn's positions)");
  c.depth.recurrent = c.depth.injected = true;
  c.depth.prelude = in.integer_in("n_layers_in_prelude", 0, 4096);
  c.depth.coda = in.integer_in("n_layers_in_coda", 0, 4096);
  c.layers = c.depth.prelude + in.integer_in("n_layers_in_recurrent_block", 1, 4096) + c.depth.coda;
  c.depth.recurrences = in.integer_in("mean_recurrence", 1, 1024);
  c.depth.state_deviation = read_state_deviation(in, c.hidden_size, c.embedding_scale);
  return c;
}

std::string block_name(const DepthConfig& depth, int64_t layers, int64_t layer) {
  if (layer < depth.prelude) return "prelude." + std::to_string(layer);
  if (layer < layers - depth.coda) return "core_block." + std::to_string(layer - depth.prelude);
  return "coda." + std::to_string(layer - (layers - depth.coda));
}

std::vector<FileTensor> files(const ModelConfig& c) {
  std::vector<FileTensor> out = {{"transformer.wte.weight", {slots::embedding}},
                                 {"transformer.adapter.weight", {"adapter.weight"}},
                                 {"transformer.ln_f.weight", {slots::final_norm("weight")}}};
  if (!c.tied_embeddings) out.push_back({"lm_head.weight", {slots::unembedding}});
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string prefix = "transformer." + block_name(c.depth, c.layers, layer) + ".";
    const auto slot = [&](std::string_view name) { return slots::in_layer(layer, name); };
    if (c.query_key_bias) {
      out.push_back({.name = prefix + "attn.qk_bias",
                     .slots = {slot("query.bias"), slot("key.bias")},
                     .file_shape = {2, 1, c.heads, c.head_size}});
    }
    out.push_back({prefix + "attn.Wqkv.weight", {slot("query.weight"), slot("key.weight"), slot("value.weight")}});
    out.push_back({prefix + "attn.proj.weight", {slot("out.weight")}});
    out.push_back({prefix + "mlp.fc.weight", {slot("gate.weight"), slot("up.weight")}});
    out.push_back({prefix + "mlp.proj.weight", {slot("down.weight")}});
    out.push_back({prefix + "norm_1.weight", {slot("attention_norm.weight")}});
    out.push_back({prefix + "norm_2.weight", {slot("attention_post_norm.weight")}});
    out.push_back({prefix + "norm_3.weight", {slot("mlp_norm.weight")}});
    out.push_back({prefix + "norm_4.weight", {slot("mlp_post_norm.weight")}});
  }
  return out;
}

bool ignorable(const ModelConfig& c, const std::string& name) {
  return name == "freqs_cis" || (c.tied_embeddings && name == "lm_head.weight");  // the rotary table
}

}  // namespace

Family huginn_family() { return {"huginn_raven", read_config, files, {}, ignorable, {"huginn"}}; }

}  // namespace tacit
