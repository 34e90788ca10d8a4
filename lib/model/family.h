#pragma once

#include <string>
#include <vector>

#include "lib/core/json.h"
#include "lib/model/config.h"

namespace tacit {

// One tensor of a checkpoint file and the weight slots that it fills. Several slots, of one shape, lie in it along
// their output dimension: one after the other (GPT-2's fused query, key and value), or in turn, `groups` times
// (GPT-NeoX's, head by head).
struct FileTensor {
  std::string name;
  std::vector<std::string> slots;
  bool transposed = false;  // stored [in, out] (GPT-2's Conv1D)
  int64_t groups = 1;       // divides a slot's rows
  // As stored, where not the slots' shape: the same numbers in the same order (Huginn's qk_bias [2, 1, H, E] holds two
  // slots [H*E], RWKV-7's x_r [1, 1, D] one). Empty = the slots' own.
  std::vector<int64_t> file_shape;
};

// A model family: how its config.json and its tensor names translate into the shared blocks.
struct Family {
  std::string name;  // config.json's model_type
  ModelConfig (*read_config)(const JsonReader& reader);
  std::vector<FileTensor> (*files)(const ModelConfig& config);
  std::vector<std::string> optional_prefixes;  // prefixes that may stand before a name, e.g. "transformer."
  bool (*ignorable)(const ModelConfig&,
                    const std::string& name);  // file tensors that carry no weight (attention masks)
  std::vector<std::string> other_names;        // that a config.json may use for the same
};

// The family called `name`, by its first name or another; fails listing the first names.
const Family& family(const std::string& name);
std::vector<std::string> family_names();

// One function a family file.
Family gpt2_family();
Family gpt_neox_family();
Family llama_family();
Family qwen2_family();
Family qwen3_family();
Family mixtral_family();
Family deepseek_v3_family();
Family rwkv7_family();
Family huginn_family();
Family ouro_family();
Family universal_family();
Family trm_family();
Family tacit_family();

}  // namespace tacit
