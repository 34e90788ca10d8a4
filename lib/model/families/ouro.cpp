#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// The window of each layer, as the original's config fills in what is absent: full attention, or with
// `use_sliding_window` a window from layer `max_window_layers` on.
void read_windows(const JsonReader& in, ModelConfig& c) {
  const bool windowed = in.boolean("use_sliding_window", false);
  const int64_t window = windowed ? in.integer("sliding_window", 4096) : 0, first = in.integer("max_window_layers", 28);
  if (windowed && window < 1) in.reject("sliding_window", "to be positive");
  c.per_layer.assign(c.layers, {});
  if (!in.has("layer_types")) {
    for (int64_t layer = first; windowed && layer < c.layers; ++layer) c.per_layer[layer].window = window;
    return;
  }
  const std::vector<std::string> types = in.strings("layer_types");
  if (std::ssize(types) != c.layers) in.reject("layer_types", "to name a type for each of num_hidden_layers");
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const bool slides = types[layer] == "sliding_attention";
    if (!slides && types[layer] != "full_attention")
      in.reject("layer_types", "to hold full_attention and sliding_attention only");
    if (slides && !windowed) in.reject("layer_types", "to hold full_attention only without use_sliding_window");
    if (slides) c.per_layer[layer].window = window;
  }
}

// Llama's blocks with a second norm around each part; the stack runs total_ut_steps times, the final norm after every
// pass, whose output the next pass and the exit gate read [Ouro, arXiv:2510.25741].
ModelConfig read_config(const JsonReader& in) {
  ModelConfig c = read_rotary_decoder(in);
  c.norm_eps = in.number("rms_norm_eps", 1e-6);
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
