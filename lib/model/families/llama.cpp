#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

ModelConfig read_config(const JsonReader& in) {
  ModelConfig c = read_rotary_decoder(in);
  c.norm_eps = read_norm_eps(in, "rms_norm_eps", 1e-6);
  if (in.has("layer_types")) {
    for (const std::string& type : in.strings("layer_types")) {
      if (type != "full_attention")
        in.reject("layer_types", "to hold full_attention only (a Llama's layers see everything)");
    }
  }
  c.qkv_bias = c.out_bias = in.boolean("attention_bias", false);
  c.mlp_bias = in.boolean("mlp_bias", false);
  return c;
}

bool ignorable(const ModelConfig& c, const std::string& name) {
  return name.ends_with("rotary_emb.inv_freq") || (c.tied_embeddings && name == "lm_head.weight");
}

}  // namespace

Family llama_family() { return {"llama", read_config, rotary_decoder_files, {}, ignorable}; }

}  // namespace tacit
