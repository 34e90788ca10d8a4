#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// The project's own small family: Llama's blocks and tensor names, plus
//   rotary_fraction   share of each head that is rotated; the rest matches content at any distance
//   embedding_scale   inputs are embedding_scale * E[token]; brings a token's embedding near the size of a thought (a
//                     normalised hidden state)
//   smeared_keys      a key carries its left neighbour [Olsson et al. 2022, "In-context learning and induction heads"]
ModelConfig read_config(const JsonReader& in) {
  ModelConfig c = read_rotary_decoder(in);
  c.norm_eps = read_norm_eps(in, "rms_norm_eps", 1e-6);
  const double fraction = in.number("rotary_fraction", 1.0);
  if (fraction < 0 || fraction > 1) in.reject("rotary_fraction", "to lie in 0..1");
  c.rotary.size = static_cast<int64_t>(fraction * static_cast<double>(c.head_size)) / 2 * 2;
  c.embedding_scale = in.number("embedding_scale", 1.0);
  if (!(c.embedding_scale > 0)) in.reject("embedding_scale", "to be positive");
  c.smeared_keys = in.boolean("smeared_keys", false);
  return c;
}

std::vector<FileTensor> files(const ModelConfig& c) {
  std::vector<FileTensor> out = rotary_decoder_files(c);
  for (int64_t layer = 0; c.smeared_keys && layer < c.layers; ++layer) {
    out.push_back({"model.layers." + std::to_string(layer) + ".self_attn.smear", {slots::in_layer(layer, "smear")}});
  }
  return out;
}

bool ignorable(const ModelConfig&, const std::string&) { return false; }

}  // namespace

Family tacit_family() { return {"tacit", read_config, files, {}, ignorable}; }

}  // namespace tacit
