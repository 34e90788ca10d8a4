#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// Llama's attention, and experts of which a token takes the likeliest few, in place of the MLP [Mixtral,
// arXiv:2401.04088].
ModelConfig read_config(const JsonReader& in) {
  ModelConfig c = read_rotary_decoder(in);
  c.norm_eps = read_norm_eps(in, "rms_norm_eps", 1e-5);
  const bool names_theta =
      in.has("rope_theta") || (in.has("rope_parameters") && in.object("rope_parameters").has("rope_theta"));
  if (!names_theta) c.rotary.theta = 1e6;
  c.experts.count = in.integer_in("num_local_experts", 1, 1 << 16);
  c.experts.chosen = in.integer_in("num_experts_per_tok", 1, c.experts.count);
  c.experts.mlp_size = c.mlp_size;
  const int64_t window = in.has("sliding_window") ? in.integer_in("sliding_window", 1, 1 << 24) : 0;
  c.per_layer.assign(c.layers, {.window = window, .feed_forward = FeedForwardKind::experts});
  return c;
}

std::vector<FileTensor> files(const ModelConfig& c) {
  std::vector<FileTensor> out = rotary_decoder_files(c);
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".block_sparse_moe.";
    out.push_back({prefix + "gate.weight", {slots::in_layer(layer, "router.weight")}});
    for (int64_t e = 0; e < c.experts.count; ++e) {
      const std::string expert = "experts." + std::to_string(e) + ".";
      for (const auto& [file, slot] : {std::pair{"w1", "gate"}, std::pair{"w3", "up"}, std::pair{"w2", "down"}}) {
        out.push_back({prefix + expert + file + ".weight", {slots::in_layer(layer, expert + slot + ".weight")}});
      }
    }
  }
  return out;
}

bool ignorable(const ModelConfig& c, const std::string& name) {
  return name.ends_with("rotary_emb.inv_freq") || (c.tied_embeddings && name == "lm_head.weight");
}

}  // namespace

Family mixtral_family() { return {"mixtral", read_config, files, {}, ignorable}; }

}  // namespace tacit
