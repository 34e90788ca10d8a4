#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// Llama's blocks with a second norm around each part; the stack runs total_ut_steps times, the final norm after every
// pass, whose output the next pass and the exit gate read [Ouro, arXiv:2510.25741].
ModelConfig read_config(const JsonReader& in) {
  ModelConfig c = read_rotary_decoder(in);
  c.norm_eps = read_norm_eps(in, "rms_norm_eps", 1e-6);
  c.residual = Residual::sandwich;
  read_windows(in, c);
  c.depth.recurrent = c.depth.norm_between = c.depth.exit_gate = true;
  c.depth.recurrences = in.integer("total_ut_steps", 4);
  if (c.depth.recurrences < 1 || c.depth.recurrences > 1024) in.reject("total_ut_steps", "to lie in 1..1024");
  c.depth.exit_threshold = in.number("early_exit_threshold", 1.0);
  if (!(c.depth.exit_threshold >= 0 && c.depth.exit_threshold <= 1))
    in.reject("early_exit_threshold", "to lie in 0..1");
  return c;
}

std::vector<FileTensor> files(const ModelConfig& c) {
  std::vector<FileTensor> out = rotary_decoder_files(c);
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    const auto slot = [&](std::string_view name) { return slots::in_layer(layer, name); };
    out.push_back({prefix + "input_layernorm_2.weight", {slot("attention_post_norm.weight")}});
    out.push_back({prefix + "post_attention_layernorm_2.weight", {slot("mlp_post_norm.weight")}});
  }
  for (const std::string kind : {"weight", "bias"}) {
    out.push_back({"model.early_exit_gate." + kind, {"exit_gate." + kind}});
  }
  return out;
}

bool ignorable(const ModelConfig& c, const std::string& name) {
  return name.ends_with("rotary_emb.inv_freq") || (c.tied_embeddings && name == "lm_head.weight");
}

}  // namespace

Family ouro_family() { return {"ouro", read_config, files, {}, ignorable}; }

}  // namespace tacit
