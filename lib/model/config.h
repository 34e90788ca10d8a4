#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lib/core/json.h"

namespace tacit {

enum class NormKind { none, layer, rms };  // none passes its input on
enum class Activation { gelu, gelu_tanh, silu, relu, relu_squared };
enum class PositionKind { none, learned, rotary };

// Rotary position embedding [RoFormer, arXiv:2104.09864]. `size` of the head's dimensions are rotated, the rest carry
// content only.
struct RotaryConfig {
  enum class Scaling { none, linear, llama3, yarn };
  double theta = 10000;
  bool interleaved = false;  // pairs are neighbours (2i, 2i + 1), else halves (i, i + size/2)
  int64_t size = 0;          // even, at most head_size
  Scaling scaling = Scaling::none;
  double factor = 1;                // linear, llama3 and yarn: context extension
  double low_frequency_factor = 1;  // llama3
  double high_frequency_factor = 4;
  double fast_turns = 32, slow_turns = 1;  // yarn: turns within the original context above which a wave is kept, below
                                           // which it is stretched
  bool whole_dimensions = true;            // yarn: those limits rounded to whole dimensions
  double amplitude = 1;                    // yarn: factor on cosine and sine
  int64_t original_positions = 8192;       // llama3 and yarn
};

// What stands in a block's first place, where tokens meet, and in its second.
enum class MixerKind { attention, latent_attention, rwkv7, log_linear };
enum class FeedForwardKind { mlp, experts, rwkv7 };

// How a block adds f, its mixer and then its feed-forward part, to the residual stream.
enum class Residual {
  pre,             // x + f(norm(x))
  parallel,        // x + mixer(norm(x)) + mlp(norm'(x)), both of the block's input [GPT-NeoX, arXiv:2204.06745]
  sandwich,        // x + post_norm(f(norm(x))) [Ouro, arXiv:2510.25741]
  outer_sandwich,  // post_norm(x + f(norm(x))) [Huginn, arXiv:2502.05171]
  post,            // post_norm(x + f(x)), norms without weights [TRM, arXiv:2510.04871]
};

struct LayerConfig {
  MixerKind mixer = MixerKind::attention;
  int64_t window = 0;  // attention: positions that a query sees, its own included; 0 = all before it
  FeedForwardKind feed_forward = FeedForwardKind::mlp;
};

// Multi-head latent attention [DeepSeek-V2, arXiv:2405.04434, section 2.1]: keys and values are made of a latent vector
// of kv_rank, which is all that is stored, and a rotated part that the heads share.
struct LatentAttentionConfig {
  int64_t query_rank = 0;  // 0 = queries straight from the hidden state
  int64_t kv_rank = 0;
  int64_t plain_size = 0, rotated_size = 0;  // of a head's query and key
  int64_t value_size = 0;
  double norm_eps = 1e-6;  // of the norms at the two ranks
};

// Routed experts, each a gated MLP, of which every token takes `chosen` [Mixtral, arXiv:2401.04088; DeepSeek-V3,
// arXiv:2412.19437, section 2.1.2].
struct ExpertsConfig {
  int64_t count = 0, chosen = 0;
  int64_t mlp_size = 0;
  int64_t shared_mlp_size = 0;            // of the experts that every token takes, as one MLP; 0 = none
  bool sigmoid = false;                   // affinities by the logistic function, else by softmax over all
  bool correction_bias = false;           // added to the affinities for the choice alone
  int64_t groups = 1, chosen_groups = 1;  // the choice is among the groups whose two best experts sum highest
  bool normalised = true;                 // weights of the chosen sum to 1, before the scale
  double scale = 1;
};

// RWKV-7's ranks [arXiv:2503.14456, section 4]; heads and head size are the model's.
struct Rwkv7Config {
  int64_t decay_rank = 0, rate_rank = 0, value_rank = 0, gate_rank = 0;
  double head_norm_eps = 1e-5;  // of the norm over each head's output
};

// How often the blocks run. The first `prelude` and the last `coda` run once, those between `recurrences` times with
// the same weights; every run of a block has a place of its own in the memory.
struct DepthConfig {
  bool recurrent = false;  // blocks may run again: the recurrences are a choice, not a constant of the model
  int64_t prelude = 0, coda = 0;
  int64_t recurrences = 1;    // >= 1; a session may ask for another number
  bool norm_between = false;  // the final norm stands after every recurrence, not only the last [Ouro]
  bool exit_gate = false;     // a gate on every recurrence's normed output says whether to stop there [Ouro, TRM]
  double exit_threshold = 1;  // a position's output is that of the first recurrence by whose end it has left with this
                              // probability; all are computed; 1 = the last one's [Ouro]
  // A state starts from noise, every recurrence reads it beside the prelude's output through an adapter, and the final
  // norm follows the last recurrence as well as the coda [Huginn].
  bool injected = false;
  double state_deviation = 0;  // of the state's start (lib/model/initial_state.h); 0 = zeros
};

// Nested loops over a grid that is read at once [TRM, arXiv:2510.04871]: a recurrence is one step of deep supervision.
struct NestedConfig {
  int64_t high_cycles = 0, low_cycles = 0;  // 0 = not this kind of model
  int64_t prefix = 0;                       // learned vectors before the grid
  int64_t prefix_values = 0;                // learned numbers that fill them, zeros for the rest
};

// What every decoder needs to know: the family file translates a checkpoint's own config.json into this.
struct ModelConfig {
  std::string family;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;  // D
  int64_t layers = 0;       // L
  int64_t heads = 0;        // H
  int64_t kv_heads = 0;     // G, divides H
  int64_t head_size = 0;    // E
  int64_t mlp_size = 0;     // F
  int64_t max_positions = 0;
  NormKind norm = NormKind::rms;
  double norm_eps = 1e-5;
  PositionKind position = PositionKind::rotary;
  RotaryConfig rotary;
  Activation activation = Activation::silu;
  bool gated_mlp = true;  // down(act(gate(x)) * up(x)), else down(act(up(x)))
  bool qkv_bias = false, out_bias = false, mlp_bias = false;
  bool head_norms = false;  // every head's query and key pass an RMS norm before rotation [Qwen3]
  Residual residual = Residual::pre;
  bool tied_embeddings = false;  // logits use the embedding matrix
  double embedding_scale = 1;    // inputs are embedding_scale * E[token]
  bool smeared_keys = false;     // k'_j = (1-s) k_j + s k_{j-1}, s a learned number a KV head [Olsson et al. 2022]
  bool embedding_norm = false;   // a LayerNorm with bias before the first block [RWKV-7]
  bool query_key_bias = false;   // a learned number for each of a head's query and key dimensions [Huginn]
  bool bidirectional = false;    // every position sees every other; a sequence is read at once
  double attention_scale = 0;    // factor on q . k; 0 = 1/sqrt(size of a head's key)
  LatentAttentionConfig latent_attention;
  ExpertsConfig experts;
  Rwkv7Config rwkv7;
  int64_t log_linear_levels = 0;       // of the Fenwick hierarchy [arXiv:2506.04761]: ceil(log2(max_positions)) + 1
  std::vector<LayerConfig> per_layer;  // empty: every block as LayerConfig's defaults
  DepthConfig depth;
  NestedConfig nested;
  Json raw;  // config.json as read, written back on export

  LayerConfig layer(int64_t number) const { return per_layer.empty() ? LayerConfig{} : per_layer.at(number); }
};

// Reads DIR/config.json, or the file itself. Fails naming the field, the expectation and the file; a config that this
// build cannot run is refused here, before any weight is read.
ModelConfig read_model_config(const std::filesystem::path& directory_or_file);
ModelConfig model_config_from_json(const Json& json, const std::string& source);

}  // namespace tacit
