#include "lib/model/families/rwkv7.h"

#include <utility>

#include "lib/model/slots.h"
#include "lib/model/state_layers.h"

namespace tacit {

std::vector<FileTensor> rwkv7_time_mix_files(const ModelConfig& c, int64_t layer, const std::string& prefix) {
  using Names = std::vector<std::pair<const char*, const char*>>;
  std::vector<FileTensor> out;
  const auto add = [&](const std::string& file, const std::string& slot, std::vector<int64_t> file_shape = {}) {
    out.push_back({.name = prefix + file,
                   .slots = {slots::in_layer(layer, "time_mix." + slot)},
                   .file_shape = std::move(file_shape)});
  };
  const auto low_rank = [&](const std::string& file, const std::string& slot, bool bias) {
    add(file + ".lora.0.weight", slot + "_lora_a.weight");
    add(file + ".lora.2.weight", slot + "_lora_b.weight");
    if (bias) add(file + ".lora.2.bias", slot + "_lora_b.bias");
  };
  for (const auto& [file, slot] : Names{{"x_r", "receptance_shift"},
                                        {"x_w", "decay_shift"},
                                        {"x_k", "key_shift"},
                                        {"x_v", "value_shift"},
                                        {"x_a", "rate_shift"},
                                        {"x_g", "gate_shift"}}) {
    add(file, slot, {1, 1, c.hidden_size});
  }
  for (const auto& [file, slot] : Names{{"k_k", "removal"},
                                        {"k_a", "replacement"},
                                        {"r_k", "bonus"},
                                        {"r_proj.weight", "receptance.weight"},
                                        {"k_proj.weight", "key.weight"},
                                        {"v_proj.weight", "value.weight"},
                                        {"o_proj.weight", "out.weight"},
                                        {"g_norm.weight", "head_norm.weight"},
                                        {"g_norm.bias", "head_norm.bias"}}) {
    add(file, slot);
  }
  low_rank("w_lora", "decay", true);
  low_rank("a_lora", "rate", true);
  if (!is_first_rwkv7(c, layer)) low_rank("v_lora", "value_mix", true);
  low_rank("g_lora", "gate", false);
  return out;
}

namespace {

void refuse_other_kinds(const JsonReader& in, int64_t hidden_size) {
  if (in.has("attn")) in.reject("attn", "to be null (this build has no attention in an RWKV-7 model)");
  if (!in.boolean("norm_first", true)) in.reject("norm_first", "to be true (this build normalises the embeddings)");
  if (!in.boolean("norm_bias", true)) in.reject("norm_bias", "to be true (this build's LayerNorms have biases)");
  if (in.string("hidden_act", "sqrelu") != "sqrelu") in.reject("hidden_act", "to be sqrelu");
  if (!in.has("value_dim")) return;
  const Json& sizes = in.json().at("value_dim");
  for (const Json& size : sizes.is_array() ? sizes : Json::array({sizes})) {
    if (size != hidden_size) in.reject("value_dim", "to be hidden_size in every layer");
  }
}

// As flash-linear-attention's RWKV7Config, which published checkpoints follow. fuse_norm and attn_mode choose among
// kernels of one function; max_position_embeddings bounds nothing, since no weight or state depends on a position.
ModelConfig read_config(const JsonReader& in) {
  ModelConfig c;
  c.vocab_size = in.integer_in("vocab_size", 1, 1 << 24);
  c.hidden_size = in.integer_in("hidden_size", 1, 1 << 20);
  c.layers = in.integer_in("num_hidden_layers", 1, 4096);
  // num_heads counts where there is no head_dim.
  const char* sized_by = in.has("head_dim") || !in.has("num_heads") ? "head_dim" : "num_heads";
  const int64_t given = in.integer_in(sized_by, 1, c.hidden_size);
  if (c.hidden_size % given != 0) in.reject(sized_by, "to divide hidden_size");
  c.head_size = in.has("head_dim") ? given : c.hidden_size / given;
  c.heads = c.kv_heads = c.hidden_size / c.head_size;
  if (in.has("intermediate_size")) {
    c.mlp_size = in.integer_in("intermediate_size", 1, 1 << 24);
  } else {
    const double ratio = in.number("hidden_ratio", 4.0);
    if (!(ratio > 0 && ratio <= 1024)) in.reject("hidden_ratio", "to lie in 0..1024, 0 excluded");
    c.mlp_size = (static_cast<int64_t>(static_cast<double>(c.hidden_size) * ratio) + 31) / 32 * 32;
  }
  c.max_positions = 1 << 24;
  c.norm = NormKind::layer;
  c.norm_eps = read_norm_eps(in, "norm_eps", 1e-5);
  c.position = PositionKind::none;
  c.activation = Activation::relu_squared;
  c.gated_mlp = false;
  c.tied_embeddings = in.boolean("tie_word_embeddings", false);
  c.embedding_norm = true;
  c.rwkv7 = {.decay_rank = in.integer_in("decay_low_rank_dim", 1, 1 << 20),
             .rate_rank = in.integer_in("a_low_rank_dim", 1, 1 << 20),
             .value_rank = in.integer_in("v_low_rank_dim", 1, 1 << 20),
             .gate_rank = in.integer_in("gate_low_rank_dim", 1, 1 << 20),
             .head_norm_eps = static_cast<double>(c.head_size) * c.norm_eps};
  c.per_layer.assign(c.layers, {.mixer = MixerKind::rwkv7, .feed_forward = FeedForwardKind::rwkv7});
  refuse_other_kinds(in, c.hidden_size);
  return c;
}

std::vector<FileTensor> files(const ModelConfig& c) {
  std::vector<FileTensor> out = {{"model.embeddings.weight", {slots::embedding}}};
  const auto norm = [&](const std::string& file, const std::string& slot) {
    for (const char* kind : {".weight", ".bias"}) out.push_back({file + kind, {slot + kind}});
  };
  norm("model.norm", "final_norm");
  if (!c.tied_embeddings) out.push_back({"lm_head.weight", {slots::unembedding}});
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    if (layer == 0) norm(prefix + "pre_norm", "embedding_norm");
    norm(prefix + "attn_norm", slots::in_layer(layer, "attention_norm"));
    norm(prefix + "ffn_norm", slots::in_layer(layer, "mlp_norm"));
    for (FileTensor& tensor : rwkv7_time_mix_files(c, layer, prefix + "attn.")) out.push_back(std::move(tensor));
    out.push_back({prefix + "ffn.x_k", {slots::in_layer(layer, "channel_mix.shift")}});
    out.push_back({prefix + "ffn.key.weight", {slots::in_layer(layer, "channel_mix.up.weight")}});
    out.push_back({prefix + "ffn.value.weight", {slots::in_layer(layer, "channel_mix.down.weight")}});
  }
  return out;
}

bool ignorable(const ModelConfig& c, const std::string& name) { return c.tied_embeddings && name == "lm_head.weight"; }

}  // namespace

Family rwkv7_family() { return {"rwkv7", read_config, files, {}, ignorable}; }

}  // namespace tacit
