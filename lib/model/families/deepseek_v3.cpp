#include <cmath>

#include "lib/model/family.h"
#include "lib/model/rotary.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// A size that is null where the part is absent; not a size that is missing, for which transformers has defaults of its
// own.
int64_t size_or_null(const JsonReader& in, std::string_view field) {
  if (!in.json().contains(field)) in.reject(field, "to be an integer or null");
  const int64_t size = in.integer(field, 0);
  if (size < 0) in.reject(field, "to be an integer of at least 0 or null");
  return size;
}

void read_latent_attention(const JsonReader& in, ModelConfig& c) {
  LatentAttentionConfig& a = c.latent_attention;
  a.query_rank = size_or_null(in, "q_lora_rank");
  a.kv_rank = in.integer_in("kv_lora_rank", 1, 1 << 20);
  a.plain_size = in.integer_in("qk_nope_head_dim", 1, 1 << 16);
  a.rotated_size = in.integer_in("qk_rope_head_dim", 2, 1 << 16);
  if (a.rotated_size % 2 != 0) in.reject("qk_rope_head_dim", "to be even");
  a.value_size = in.integer_in("v_head_dim", 1, 1 << 16);
  a.norm_eps = 1e-6;  // whatever rms_norm_eps is
  c.head_size = a.plain_size + a.rotated_size;
  c.rotary = read_rotary(in, a.rotated_size, c.max_positions);
  c.rotary.interleaved = in.boolean("rope_interleave", true);
  c.qkv_bias = c.out_bias = in.boolean("attention_bias", false);
  if (c.rotary.scaling == RotaryConfig::Scaling::none) return;
  // Softmax at the temperature of the longer context [YaRN, arXiv:2309.00071, section 3.4].
  const JsonReader rope = in.object(in.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
  const double temperature = 1 + rope.number("mscale_all_dim", 0) * (yarn_amplitude(c.rotary.factor) - 1);
  c.attention_scale = temperature * temperature / std::sqrt(static_cast<double>(c.head_size));
}

void read_experts(const JsonReader& in, ModelConfig& c) {
  ExpertsConfig& e = c.experts;
  e.count = in.integer_in("n_routed_experts", 1, 1 << 16);
  e.chosen = in.integer_in("num_experts_per_tok", 1, e.count);
  e.mlp_size = in.integer_in("moe_intermediate_size", 1, 1 << 24);
  e.shared_mlp_size = size_or_null(in, "n_shared_experts") * e.mlp_size;
  e.groups = in.integer_in("n_group", 1, e.count);
  if (e.count % e.groups != 0) in.reject("n_group", "to divide n_routed_experts");
  if (e.groups > 1 && e.count / e.groups < 2) in.reject("n_group", "to leave at least two experts a group");
  e.chosen_groups = in.integer_in("topk_group", 1, e.groups);
  if (e.chosen > e.chosen_groups * (e.count / e.groups)) {
    in.reject("num_experts_per_tok", "to be at most the experts of topk_group groups");
  }
  if (in.string("scoring_func", "sigmoid") != "sigmoid") in.reject("scoring_func", "to be sigmoid");
  if (in.string("topk_method", "noaux_tc") != "noaux_tc") in.reject("topk_method", "to be noaux_tc");
  e.sigmoid = e.correction_bias = true;
  e.normalised = in.boolean("norm_topk_prob", true);
  e.scale = in.number("routed_scaling_factor", 2.5);
}

// Latent attention, a few blocks with a plain MLP, then blocks with routed and shared experts [DeepSeek-V3,
// arXiv:2412.19437].
ModelConfig read_config(const JsonReader& in) {
  ModelConfig c;
  c.vocab_size = in.integer_in("vocab_size", 1, 1 << 24);
  c.hidden_size = in.integer_in("hidden_size", 1, 1 << 20);
  c.layers = in.integer_in("num_hidden_layers", 1, 4096);
  c.heads = c.kv_heads = in.integer_in("num_attention_heads", 1, 1 << 16);
  if (in.integer("num_key_value_heads", c.heads) != c.heads) {
    in.reject("num_key_value_heads", "to equal num_attention_heads");
  }
  c.mlp_size = in.integer_in("intermediate_size", 1, 1 << 24);
  c.max_positions = in.integer_in("max_position_embeddings", 1, 1 << 24);
  c.norm = NormKind::rms;
  c.norm_eps = read_norm_eps(in, "rms_norm_eps", 1e-6);
  c.position = PositionKind::rotary;
  c.activation = read_activation(in, "hidden_act", "silu");
  c.tied_embeddings = in.boolean("tie_word_embeddings", false);
  read_latent_attention(in, c);
  read_experts(in, c);
  const int64_t dense = in.integer("first_k_dense_replace", 3), every = in.integer("moe_layer_freq", 1);
  if (dense < 0) in.reject("first_k_dense_replace", "to be at least 0");
  if (every < 1) in.reject("moe_layer_freq", "to be positive");
  if (in.integer("num_nextn_predict_layers", 0) < 0) in.reject("num_nextn_predict_layers", "to be at least 0");
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const bool routed = layer >= dense && layer % every == 0;
    c.per_layer.push_back({.mixer = MixerKind::latent_attention,
                           .feed_forward = routed ? FeedForwardKind::experts : FeedForwardKind::mlp});
  }
  return c;
}

// The names of one layer's tensors, file and slot.
using Names = std::vector<std::pair<std::string, std::string>>;

void name_attention(const ModelConfig& c, Names& names) {
  const auto linear = [&](const std::string& file, const std::string& slot, bool bias) {
    names.emplace_back("self_attn." + file + ".weight", slot + ".weight");
    if (bias) names.emplace_back("self_attn." + file + ".bias", slot + ".bias");
  };
  if (c.latent_attention.query_rank > 0) {
    linear("q_a_proj", "query_down", c.qkv_bias);
    linear("q_a_layernorm", "query_norm", false);
    linear("q_b_proj", "query_up", false);
  } else {
    linear("q_proj", "query", false);
  }
  linear("kv_a_proj_with_mqa", "kv_down", c.qkv_bias);
  linear("kv_a_layernorm", "kv_norm", false);
  linear("kv_b_proj", "kv_up", false);
  linear("o_proj", "out", c.out_bias);
}

void name_experts(const ModelConfig& c, Names& names) {
  names.emplace_back("mlp.gate.weight", "router.weight");
  names.emplace_back("mlp.gate.e_score_correction_bias", "router.correction");
  const auto mlp = [&](const std::string& file, const std::string& slot) {
    for (const std::string part : {"gate", "up", "down"}) {
      names.emplace_back("mlp." + file + "." + part + "_proj.weight", slot + "." + part + ".weight");
    }
  };
  for (int64_t e = 0; e < c.experts.count; ++e) {
    const std::string expert = "experts." + std::to_string(e);
    mlp(expert, expert);
  }
  if (c.experts.shared_mlp_size > 0) mlp("shared_experts", "shared");
}

std::vector<FileTensor> files(const ModelConfig& c) {
  std::vector<FileTensor> out = rotary_decoder_files(c);
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    Names names;
    name_attention(c, names);
    if (c.layer(layer).feed_forward == FeedForwardKind::experts) name_experts(c, names);
    for (const auto& [file, slot] : names) {
      out.push_back({"model.layers." + std::to_string(layer) + "." + file, {slots::in_layer(layer, slot)}});
    }
  }
  return out;
}

// Blocks after the last one predict further tokens (section 2.2); a model runs without them.
bool predicts_further(const ModelConfig& c, const std::string& name) {
  const int64_t blocks = JsonReader(c.raw, "load_checkpoint", "config.json").integer("num_nextn_predict_layers", 0);
  for (int64_t layer = c.layers; layer < c.layers + blocks; ++layer) {
    if (name.starts_with("model.layers." + std::to_string(layer) + ".")) return true;
  }
  return false;
}

bool ignorable(const ModelConfig& c, const std::string& name) {
  return name.ends_with("rotary_emb.inv_freq") || (c.tied_embeddings && name == "lm_head.weight") ||
         predicts_further(c, name);
}

}  // namespace

Family deepseek_v3_family() { return {"deepseek_v3", read_config, files, {}, ignorable}; }

}  // namespace tacit
