#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// Llama's blocks, every head's query and key normalised before rotation [Qwen3, arXiv:2505.09388].
ModelConfig read_config(const JsonReader& in) {
  ModelConfig c = read_rotary_decoder(in);
  read_windows(in, c);
  c.norm_eps = read_norm_eps(in, "rms_norm_eps", 1e-6);
  c.qkv_bias = c.out_bias = in.boolean("attention_bias", false);
  c.head_norms = true;
  return c;
}

bool ignorable(const ModelConfig& c, const std::string& name) { return c.tied_embeddings && name == "lm_head.weight"; }

}  // namespace

Family qwen3_family() { return {"qwen3", read_config, rotary_decoder_files, {}, ignorable}; }

}  // namespace tacit
