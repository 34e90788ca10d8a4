#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// Llama's blocks with biases on query, key and value [Qwen2, arXiv:2407.10671].
ModelConfig read_config(const JsonReader& in) {
  ModelConfig c = read_rotary_decoder(in);
  read_windows(in, c);
  c.norm_eps = read_norm_eps(in, "rms_norm_eps", 1e-6);
  c.qkv_bias = true;
  return c;
}

bool ignorable(const ModelConfig& c, const std::string& name) { return c.tied_embeddings && name == "lm_head.weight"; }

}  // namespace

Family qwen2_family() { return {"qwen2", read_config, rotary_decoder_files, {}, ignorable}; }

}  // namespace tacit
