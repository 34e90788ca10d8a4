#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lib/core/json.h"

namespace tacit {

enum class NormKind { layer, rms };
enum class Activation { gelu, gelu_tanh, silu, relu };
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
enum class MixerKind { attention };
enum class FeedForwardKind { mlp };

// How a block adds f, its mixer and then its feed-forward part, to the residual stream.
enum class Residual {
  pre,             // x + f(norm(x))
  parallel,        // x + mixer(norm(x)) + mlp(norm'(x)), both of the block's input [GPT-NeoX, arXiv:2204.06745]
  sandwich,        // x + post_norm(f(norm(x))) [Ouro, arXiv:2510.25741]
  outer_sandwich,  // post_norm(x + f(norm(x))) [Huginn, arXiv:2502.05171]
};

struct LayerConfig {
  MixerKind mixer = MixerKind::attention;
  int64_t window = 0;  // attention: positions that a query sees, its own included; 0 = all before it
  FeedForwardKind feed_forward = FeedForwardKind::mlp;
};

// How often the blocks run. The first `prelude` and the last `coda` run once, those between `recurrences` times with
// the same weights; every run of a block has a place of its own in the memory.
struct DepthConfig {
  bool recurrent = false;  // blocks may run again: the recurrences are a choice, not a constant of the model
  int64_t prelude = 0, coda = 0;
  int64_t recurrences = 1;    // >= 1; a session may ask for another number
  bool norm_between = false;  // the final norm stands after every recurrence, not only the last [Ouro]
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
  std::vector<LayerConfig> per_layer;  // empty: every block as LayerConfig's defaults
  DepthConfig depth;
  Json raw;  // config.json as read, written back on export

  LayerConfig layer(int64_t number) const { return per_layer.empty() ? LayerConfig{} : per_layer.at(number); }
};

// Reads DIR/config.json, or the file itself. Fails naming the field, the expectation and the file; a config that this
// build cannot run is refused here, before any weight is read.
ModelConfig read_model_config(const std::filesystem::path& directory_or_file);
ModelConfig model_config_from_json(const Json& json, const std::string& source);

}  // namespace tacit
