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
// Of models that think in depth: adapter.weight [D, 2D] (Huginn), exit_gate.weight [1, D] and .bias (Ouro; TRM: 2
// outputs, halt and continue), high_start and low_start [D] (constants), prefix [prefix_values] (TRM).
// In a layer: attention_norm, mlp_norm, attention_post_norm, mlp_post_norm (.weight [D], .bias), query [H*E, D], key
// and value [G*E, D], out [D, H*E], gate and up [F, D], down [D, F] (.weight, .bias), query_norm and key_norm (.weight
// [E]), smear [G].
// Latent attention: query [H*E, D], or query_down [rank, D], query_norm and query_up [H*E, rank]; kv_down [kv_rank +
// rotated, D], kv_norm, kv_up [H * (plain + value), kv_rank]; out.
// Experts: router.weight [X, D], router.correction [X]; experts.0.gate.weight, .up, .down and so on to X - 1; the same
// of shared.
// What other layers take is named in lib/model/sublayers.
inline std::string in_layer(int64_t layer, std::string_view name) {
  return "layers." + std::to_string(layer) + "." + std::string(name);
}
// Whether a weight is kept in fp32 whatever the model's dtype: the correction of the routers' choice, whose steps in
// training are finer than 16 bits.
inline bool kept_in_fp32(std::string_view name) { return name.ends_with(".router.correction"); }
}  // namespace slots

// Parts that families share.
Activation read_activation(const JsonReader& in, std::string_view field, std::string_view fallback);
// What is added to the variance below the root; a negative one would give NaN.
double read_norm_eps(const JsonReader& in, std::string_view field, double fallback);
// `size` dimensions of each head are rotated; `positions` is the context that a scaling starts from if it names none.
RotaryConfig read_rotary(const JsonReader& in, int64_t size, int64_t positions);
// Which layers of a Qwen or an Ouro see a sliding window only, as transformers reads it: none unless
// use_sliding_window; then those that layer_types names, else those from number max_window_layers on.
void read_windows(const JsonReader& in, ModelConfig& config);
// The fields common to Llama and its descendants: sizes, grouped heads, rotary positions, gated MLP, tied or not.
ModelConfig read_rotary_decoder(const JsonReader& in);
// Llama's tensor names ("model.layers.0.self_attn.q_proj.weight", ...): the tables, the norms, and attention and MLP of
// the blocks that have them.
std::vector<FileTensor> rotary_decoder_files(const ModelConfig& config);

}  // namespace tacit
