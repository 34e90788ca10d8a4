#include "eval/bench/known_configs.h"

#include <utility>

#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

constexpr std::pair<const char*, const char*> kConfigs[] = {
    {"gpt2", R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 50257, "n_positions": 1024,
      "n_ctx": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12, "activation_function": "gelu_new",
      "layer_norm_epsilon": 1e-05})"},
    {"llama-1b", R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 128256,
      "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
      "num_key_value_heads": 8, "head_dim": 64, "hidden_act": "silu", "max_position_embeddings": 131072,
      "rms_norm_eps": 1e-05, "tie_word_embeddings": true, "attention_bias": false, "mlp_bias": false,
      "rope_theta": 500000.0, "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
      "original_max_position_embeddings": 8192, "rope_type": "llama3"}})"},
    {"qwen3-0.6b", R"({"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "vocab_size": 151936,
      "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
      "num_key_value_heads": 8, "head_dim": 128, "hidden_act": "silu", "max_position_embeddings": 40960,
      "rms_norm_eps": 1e-06, "tie_word_embeddings": true, "attention_bias": false, "rope_theta": 1000000,
      "rope_scaling": null, "sliding_window": null, "use_sliding_window": false, "max_window_layers": 28})"},
};

}  // namespace

std::vector<std::string> known_configs() {
  std::vector<std::string> names;
  for (const auto& [name, text] : kConfigs) names.emplace_back(name);
  return names;
}

Json known_config(const std::string& name) {
  std::string listed;
  for (const auto& [known, text] : kConfigs) {
    if (name == known) return Json::parse(text);
    listed += (listed.empty() ? "" : ", ") + std::string(known);
  }
  fail("bench", "expected ", listed, " or the path of a config.json but got '", name, "'",
       did_you_mean(name, known_configs()));
}

}  // namespace tacit
