#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/core/json.h"
#include "lib/model/config.h"
#include "lib/model/family.h"

namespace tacit {

// Names of the weights inside a Transformer, the same for every family.
namespace slots {
inline const std::string embedding = "embedding";      // [V, D]
inline const std::string positions = "positions";      // [max_positions, D], learned positions only
inline const std::string unembedding = "unembedding";  // [V, D], absent when tied
inline std::string final_norm(std::string_view kind) { return "final_norm." + std::string(kind); }
// In a layer: attention_norm, mlp_norm (.weight [D], .bias), query [H*E, D], key and value [G*E, D], out [D, H*E],
// gate and up [F, D], down [D, F] (.weight, .bias), query_norm and key_norm (.weight [E]), smear [G].
inline std::string in_layer(int64_t layer, std::string_view name) {
  return "layers." + std::to_string(layer) + "." + std::string(name);
}
}  // namespace slots

// Parts that families share.
Activation read_activation(const JsonReader& in, std::string_view field, std::string_view fallback);
// What is added to the variance below the root; a negative one would give NaN.
double read_norm_eps(const JsonReader& in, std::string_view field, double fallback);
// `size` dimensions of each head are rotated; `positions` is the context that a scaling starts from if it names none.
RotaryConfig read_rotary(const JsonReader& in, int64_t size, int64_t positions);
// Fails where the config asks for a sliding window, which this build does not have.
void reject_sliding_window(const JsonReader& in);
// The fields common to Llama and its descendants: sizes, grouped heads, rotary positions, gated MLP, tied or not.
ModelConfig read_rotary_decoder(const JsonReader& in);
// Llama's tensor names ("model.layers.0.self_attn.q_proj.weight", ...).
std::vector<FileTensor> rotary_decoder_files(const ModelConfig& config);

}  // namespace tacit
