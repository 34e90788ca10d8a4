#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lib/core/json.h"

namespace tacit {

enum class NormKind { layer, rms };
enum class Activation { gelu, gelu_tanh, silu, relu };
enum class PositionKind { learned, rotary };

// Rotary position embedding [RoFormer, arXiv:2104.09864], rotate-half form. `size` of the head's dimensions are
// rotated, the rest carry content only.
struct RotaryConfig {
  enum class Scaling { none, linear, llama3, yarn };
  double theta = 10000;
  int64_t size = 0;  // even, at most head_size
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

// What every decoder of pre-norm blocks needs to know: the family file translates a checkpoint's own config.json into
// this.
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
  bool head_norms = false;         // every head's query and key pass an RMS norm before rotation [Qwen3]
  bool parallel_residual = false;  // x + attention(norm(x)) + mlp(norm'(x)), both of the block's input [GPT-NeoX]
  bool tied_embeddings = false;    // logits use the embedding matrix
  double embedding_scale = 1;      // inputs are embedding_scale * E[token]
  bool smeared_keys = false;       // k'_j = (1-s) k_j + s k_{j-1}, s a learned number a KV head [Olsson et al. 2022]
  Json raw;                        // config.json as read, written back on export
};

// Reads DIR/config.json, or the file itself. Fails naming the field, the expectation and the file; a config that this
// build cannot run is refused here, before any weight is read.
ModelConfig read_model_config(const std::filesystem::path& directory_or_file);
ModelConfig model_config_from_json(const Json& json, const std::string& source);

}  // namespace tacit
