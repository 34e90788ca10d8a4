#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// Pythia's family [GPT-NeoX-20B, arXiv:2204.06745]: LayerNorm with biases, a part of each head rotated, attention and
// MLP side by side, query, key and value fused head by head.
ModelConfig read_config(const JsonReader& in) {
  ModelConfig c;
  c.vocab_size = in.integer_in("vocab_size", 1, 1 << 24);
  c.hidden_size = in.integer_in("hidden_size", 1, 1 << 20);
  c.layers = in.integer_in("num_hidden_layers", 1, 4096);
  c.heads = c.kv_heads = in.integer_in("num_attention_heads", 1, c.hidden_size);
  if (c.hidden_size % c.heads != 0) in.reject("num_attention_heads", "to divide hidden_size");
  c.head_size = c.hidden_size / c.heads;
  c.mlp_size = in.integer_in("intermediate_size", 1, 1 << 24);
  c.max_positions = in.integer_in("max_position_embeddings", 1, 1 << 24);
  c.norm = NormKind::layer;
  c.norm_eps = read_norm_eps(in, "layer_norm_eps", 1e-5);
  double share = in.number("rotary_pct", 0.25);
  const bool named = in.has("rope_parameters");  // transformers 5
  if (named) share = in.object("rope_parameters").number("partial_rotary_factor", share);
  const char* field = named ? "rope_parameters" : "rotary_pct";
  if (!(share > 0 && share <= 1)) in.reject(field, "to rotate a share of each head in 0..1, 0 excluded");
  const int64_t rotated = static_cast<int64_t>(static_cast<double>(c.head_size) * share);
  if (rotated % 2 != 0) in.reject(field, "to rotate an even number of dimensions");
  c.rotary = read_rotary(in, rotated, c.max_positions);
  if (!named) c.rotary.theta = in.number("rotary_emb_base", c.rotary.theta);
  c.activation = read_activation(in, "hidden_act", "gelu");
  c.gated_mlp = false;
  c.qkv_bias = c.out_bias = in.boolean("attention_bias", true);
  c.mlp_bias = true;
  c.residual = in.boolean("use_parallel_residual", true) ? Residual::parallel : Residual::pre;
  c.tied_embeddings = in.boolean("tie_word_embeddings", false);
  return c;
}

std::vector<FileTensor> files(const ModelConfig& c) {
  std::vector<FileTensor> out = {{"gpt_neox.embed_in.weight", {slots::embedding}},
                                 {"gpt_neox.final_layer_norm.weight", {slots::final_norm("weight")}},
                                 {"gpt_neox.final_layer_norm.bias", {slots::final_norm("bias")}}};
  if (!c.tied_embeddings) out.push_back({"embed_out.weight", {slots::unembedding}});
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string prefix = "gpt_neox.layers." + std::to_string(layer) + ".";
    const auto slot = [&](const std::string& name) { return slots::in_layer(layer, name); };
    for (const std::string kind : {"weight", "bias"}) {
      const bool attention = kind == "weight" || c.qkv_bias;
      out.push_back({prefix + "input_layernorm." + kind, {slot("attention_norm." + kind)}});
      out.push_back({prefix + "post_attention_layernorm." + kind, {slot("mlp_norm." + kind)}});
      if (attention) {
        out.push_back({.name = prefix + "attention.query_key_value." + kind,
                       .slots = {slot("query." + kind), slot("key." + kind), slot("value." + kind)},
                       .groups = c.heads});
        out.push_back({prefix + "attention.dense." + kind, {slot("out." + kind)}});
      }
      out.push_back({prefix + "mlp.dense_h_to_4h." + kind, {slot("up." + kind)}});
      out.push_back({prefix + "mlp.dense_4h_to_h." + kind, {slot("down." + kind)}});
    }
  }
  return out;
}

bool ignorable(const ModelConfig& c, const std::string& name) {
  return name.ends_with(".attention.bias") || name.ends_with(".attention.masked_bias") ||
         name.ends_with("rotary_emb.inv_freq") || (c.tied_embeddings && name == "embed_out.weight");
}

}  // namespace

Family gpt_neox_family() { return {"gpt_neox", read_config, files, {}, ignorable}; }

}  // namespace tacit
