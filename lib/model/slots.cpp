#include "lib/model/slots.h"

#include <algorithm>
#include <cmath>

#include "lib/model/rotary.h"

namespace tacit {

Activation read_activation(const JsonReader& in, std::string_view field, std::string_view fallback) {
  const std::string name = in.string(field, fallback);
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return Activation::gelu_tanh;
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "relu") return Activation::relu;
  in.reject(field, "to be one of gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, silu, swish, relu");
}

double read_norm_eps(const JsonReader& in, std::string_view field, double fallback) {
  const double eps = in.number(field, fallback);
  if (!(eps >= 0) || !std::isfinite(eps)) in.reject(field, "to be finite and at least 0");
  return eps;
}

// YaRN as transformers reads it; `positions` is the config's own context.
static void read_yarn(const JsonReader& in, RotaryConfig& rotary, int64_t positions) {
  rotary.scaling = RotaryConfig::Scaling::yarn;
  rotary.fast_turns = in.number("beta_fast", 32);
  rotary.slow_turns = in.number("beta_slow", 1);
  rotary.whole_dimensions = in.boolean("truncate", true);
  rotary.original_positions = in.integer("original_max_position_embeddings", positions);
  if (rotary.original_positions < 1) in.reject("original_max_position_embeddings", "to be positive");
  if (!(rotary.slow_turns > 0)) in.reject("beta_slow", "to be positive");
  if (!(rotary.fast_turns > 0)) in.reject("beta_fast", "to be positive");
  if (in.has("attention_factor")) {
    rotary.amplitude = in.number("attention_factor");
  } else if (in.number("mscale", 0) != 0 && in.number("mscale_all_dim", 0) != 0) {
    const auto scale = [&](double mscale) { return 1 + mscale * (yarn_amplitude(rotary.factor) - 1); };
    rotary.amplitude = scale(in.number("mscale")) / scale(in.number("mscale_all_dim"));
  } else {
    rotary.amplitude = yarn_amplitude(rotary.factor);
  }
}

static void read_scaling(const JsonReader& in, RotaryConfig& rotary, int64_t positions) {
  const std::string type = in.string(in.has("rope_type") ? "rope_type" : "type", "default");
  if (type == "default") return;
  rotary.factor = in.number("factor");
  if (!(rotary.factor > 0)) in.reject("factor", "to be positive");
  if (type == "linear") {
    rotary.scaling = RotaryConfig::Scaling::linear;
  } else if (type == "llama3") {
    rotary.scaling = RotaryConfig::Scaling::llama3;
    rotary.low_frequency_factor = in.number("low_freq_factor");
    rotary.high_frequency_factor = in.number("high_freq_factor");
    rotary.original_positions = in.integer_in("original_max_position_embeddings", 1, 1 << 24);
    if (!(rotary.low_frequency_factor > 0)) in.reject("low_freq_factor", "to be positive");
    if (!(rotary.high_frequency_factor > rotary.low_frequency_factor))
      in.reject("high_freq_factor", "to be above low_freq_factor");
  } else if (type == "yarn") {
    read_yarn(in, rotary, positions);
  } else {
    in.reject(in.has("rope_type") ? "rope_type" : "type", "to be one of default, linear, llama3, yarn");
  }
}

RotaryConfig read_rotary(const JsonReader& in, int64_t size, int64_t positions) {
  RotaryConfig rotary;
  rotary.size = size;
  rotary.theta = in.number("rope_theta", 10000.0);
  if (in.has("rope_parameters")) {  // transformers 5
    const JsonReader rope = in.object("rope_parameters");
    rotary.theta = rope.number("rope_theta", rotary.theta);
    read_scaling(rope, rotary, positions);
  } else if (in.has("rope_scaling")) {
    read_scaling(in.object("rope_scaling"), rotary, positions);
  }
  if (!(rotary.theta > 0)) in.reject("rope_theta", "to be positive");
  if (rotary.scaling == RotaryConfig::Scaling::yarn && rotary.theta <= 1)
    in.reject("rope_theta", "to be above 1 beside YaRN");
  return rotary;
}

ModelConfig read_rotary_decoder(const JsonReader& in) {
  ModelConfig c;
  c.vocab_size = in.integer_in("vocab_size", 1, 1 << 24);
  c.hidden_size = in.integer_in("hidden_size", 1, 1 << 20);
  c.layers = in.integer_in("num_hidden_layers", 1, 4096);
  c.heads = in.integer_in("num_attention_heads", 1, 1 << 16);
  c.kv_heads = in.integer("num_key_value_heads", c.heads);
  if (c.kv_heads < 1 || c.heads % c.kv_heads != 0) in.reject("num_key_value_heads", "to divide num_attention_heads");
  if (!in.has("head_dim") && c.hidden_size % c.heads != 0) in.reject("num_attention_heads", "to divide hidden_size");
  c.head_size = in.integer("head_dim", c.hidden_size / c.heads);
  if (c.head_size < 2 || c.head_size % 2 != 0) in.reject("head_dim", "to be even and positive");
  c.mlp_size = in.integer_in("intermediate_size", 1, 1 << 24);
  c.max_positions = in.has("max_position_embeddings") ? in.integer_in("max_position_embeddings", 1, 1 << 24) : 2048;
  c.norm = NormKind::rms;
  c.position = PositionKind::rotary;
  c.rotary = read_rotary(in, c.head_size, c.max_positions);
  c.activation = read_activation(in, "hidden_act", "silu");
  c.tied_embeddings = in.boolean("tie_word_embeddings", false);
  return c;
}

void read_windows(const JsonReader& in, ModelConfig& c) {
  const bool none = in.json().contains("sliding_window") && !in.has("sliding_window");  // null, not missing
  const bool windows = in.boolean("use_sliding_window", false) && !none;
  const int64_t window = windows ? in.integer("sliding_window", 4096) : 0;
  if (windows && window < 1) in.reject("sliding_window", "to be positive or null");
  const int64_t full_layers = windows ? in.integer("max_window_layers", 28) : c.layers;
  std::vector<bool> slides;
  for (int64_t layer = 0; layer < c.layers; ++layer) slides.push_back(layer >= full_layers);
  if (in.has("layer_types")) {
    const std::vector<std::string> types = in.strings("layer_types");
    if (std::ssize(types) != c.layers) in.reject("layer_types", "to name a type for each of num_hidden_layers");
    for (int64_t layer = 0; layer < c.layers; ++layer) {
      slides[layer] = types[layer] == "sliding_attention";
      if (!slides[layer] && types[layer] != "full_attention") {
        in.reject("layer_types", "to hold full_attention and sliding_attention only");
      }
      if (slides[layer] && !windows) {
        in.reject("layer_types",
                  "to hold full_attention only where use_sliding_window and sliding_window give no window");
      }
    }
  }
  if (std::ranges::find(slides, true) == slides.end()) return;
  for (const bool slide : slides) c.per_layer.push_back({.window = slide ? window : 0});
}

std::vector<FileTensor> rotary_decoder_files(const ModelConfig& c) {
  std::vector<FileTensor> out = {{"model.embed_tokens.weight", {slots::embedding}},
                                 {"model.norm.weight", {slots::final_norm("weight")}}};
  if (!c.tied_embeddings) out.push_back({"lm_head.weight", {slots::unembedding}});
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    auto linear = [&](const std::string& file, const std::string& slot, bool bias) {
      out.push_back({prefix + file + ".weight", {slots::in_layer(layer, slot + ".weight")}});
      if (bias) out.push_back({prefix + file + ".bias", {slots::in_layer(layer, slot + ".bias")}});
    };
    linear("input_layernorm", "attention_norm", false);
    linear("post_attention_layernorm", "mlp_norm", false);
    const MixerKind mixer = c.layer(layer).mixer;
    if (mixer == MixerKind::attention || mixer == MixerKind::log_linear) {
      linear("self_attn.q_proj", "query", c.qkv_bias);
      linear("self_attn.k_proj", "key", c.qkv_bias);
      linear("self_attn.v_proj", "value", c.qkv_bias);
      linear("self_attn.o_proj", "out", c.out_bias);
      if (c.head_norms) {
        linear("self_attn.q_norm", "query_norm", false);
        linear("self_attn.k_norm", "key_norm", false);
      }
    }
    if (c.layer(layer).feed_forward == FeedForwardKind::mlp) {
      linear("mlp.gate_proj", "gate", c.mlp_bias);
      linear("mlp.up_proj", "up", c.mlp_bias);
      linear("mlp.down_proj", "down", c.mlp_bias);
    }
  }
  return out;
}

}  // namespace tacit
