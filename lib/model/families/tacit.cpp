#include <algorithm>
#include <bit>
#include <utility>

#include "lib/model/families/rwkv7.h"
#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// Each block's mixer by its name in layer_types, all of them followed by Llama's MLP:
//   full_attention      sees every position before; memory O(T)
//   sliding_attention   sees the last sliding_window positions; O(sliding_window)
//   rwkv7               RWKV-7's time mix, its four ranks rwkv7_low_rank; O(1)
//   log_linear          log-linear attention; O(log max_position_embeddings)
void read_layer_types(const JsonReader& in, ModelConfig& c) {
  const std::vector<std::string> types = in.strings("layer_types");
  if (std::ssize(types) != c.layers) in.reject("layer_types", "to name one type for each of num_hidden_layers");
  for (const std::string& type : types) {
    LayerConfig layer;
    if (type == "sliding_attention") {
      layer.window = in.integer_in("sliding_window", 1, 1 << 24);
    } else if (type == "rwkv7") {
      layer.mixer = MixerKind::rwkv7;
      const int64_t rank = in.integer_in("rwkv7_low_rank", 1, 1 << 20);
      c.rwkv7 = {rank, rank, rank, rank, static_cast<double>(c.head_size) * c.norm_eps};
      if (c.heads * c.head_size != c.hidden_size) {
        in.reject("head_dim", "to be hidden_size / num_attention_heads, as layers of type rwkv7 need");
      }
    } else if (type == "log_linear") {
      layer.mixer = MixerKind::log_linear;
      if (c.kv_heads != c.heads) in.reject("num_key_value_heads", "to equal num_attention_heads beside log_linear");
      // A position's binary digits, and the position itself.
      c.log_linear_levels = std::bit_width(static_cast<uint64_t>(c.max_positions - 1)) + 1;
    } else if (type != "full_attention") {
      in.reject("layer_types", "to hold full_attention, sliding_attention, rwkv7 or log_linear only");
    }
    c.per_layer.push_back(layer);
  }
  if (in.has("sliding_window") && std::ranges::find(types, "sliding_attention") == types.end())
    in.reject("sliding_window", "to stand beside layer_types that name sliding_attention");
  if (in.has("rwkv7_low_rank") && std::ranges::find(types, "rwkv7") == types.end())
    in.reject("rwkv7_low_rank", "to stand beside layer_types that name rwkv7");
}

// The project's own small family: Llama's blocks and tensor names, plus
//   rotary_fraction   share of each head that is rotated; the rest matches content at any distance
//   embedding_scale   inputs are embedding_scale * E[token]; brings a token's embedding near the size of a thought (a
//                     normalised hidden state)
//   smeared_keys      a key carries its left neighbour [Olsson et al. 2022, "In-context learning and induction heads"]
//   layer_types       what each block remembers
ModelConfig read_config(const JsonReader& in) {
  ModelConfig c = read_rotary_decoder(in);
  c.norm_eps = read_norm_eps(in, "rms_norm_eps", 1e-6);
  const double fraction = in.number("rotary_fraction", 1.0);
  if (fraction < 0 || fraction > 1) in.reject("rotary_fraction", "to lie in 0..1");
  c.rotary.size = static_cast<int64_t>(fraction * static_cast<double>(c.head_size)) / 2 * 2;
  c.embedding_scale = in.number("embedding_scale", 1.0);
  if (!(c.embedding_scale > 0)) in.reject("embedding_scale", "to be positive");
  c.smeared_keys = in.boolean("smeared_keys", false);
  if (in.has("layer_types")) {
    read_layer_types(in, c);
  } else if (in.has("sliding_window")) {
    in.reject("sliding_window", "to stand beside layer_types that name sliding_attention");
  } else if (in.has("rwkv7_low_rank")) {
    in.reject("rwkv7_low_rank", "to stand beside layer_types that name rwkv7");
  }
  for (const char* field : {"attention_bias", "mlp_bias"}) {
    if (in.boolean(field, false)) in.reject(field, "to be false (this family has no biases)");
  }
  return c;
}

std::vector<FileTensor> files(const ModelConfig& c) {
  std::vector<FileTensor> out = rotary_decoder_files(c);
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".", attention = prefix + "self_attn.";
    const auto add = [&](const std::string& name) {
      out.push_back({attention + name, {slots::in_layer(layer, name)}});
    };
    switch (c.layer(layer).mixer) {
      case MixerKind::rwkv7:
        for (FileTensor& tensor : rwkv7_time_mix_files(c, layer, prefix + "time_mix."))
          out.push_back(std::move(tensor));
        break;
      case MixerKind::log_linear:
        for (const char* linear : {"decay", "levels"}) {
          add(std::string(linear) + ".weight");
          add(std::string(linear) + ".bias");
        }
        out.push_back({attention + "o_norm.weight", {slots::in_layer(layer, "out_norm.weight")}});
        break;
      default:
        if (c.smeared_keys) add("smear");
    }
  }
  return out;
}

bool ignorable(const ModelConfig&, const std::string&) { return false; }

}  // namespace

Family tacit_family() { return {"tacit", read_config, files, {}, ignorable}; }

}  // namespace tacit
