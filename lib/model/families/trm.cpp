#include <cmath>

#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// Learned vectors before the grid: puzzle_emb_ndim numbers, cut into puzzle_emb_len positions (0 = as many as they
// fill).
void read_prefix(const JsonReader& in, ModelConfig& c) {
  c.nested.prefix_values = in.integer("puzzle_emb_ndim", 0);
  if (c.nested.prefix_values < 0 || c.nested.prefix_values > 1 << 24)
    in.reject("puzzle_emb_ndim", "to lie in 0..16777216");
  const int64_t asked = in.integer("puzzle_emb_len", c.nested.prefix_values > 0 ? 16 : 0);
  if (c.nested.prefix_values == 0) {
    if (asked != 0) in.reject("puzzle_emb_len", "to be 0 without puzzle_emb_ndim");
    return;
  }
  c.nested.prefix = asked != 0 ? asked : (c.nested.prefix_values + c.hidden_size - 1) / c.hidden_size;
  if (asked < 0 || asked > 1 << 20 || c.nested.prefix * c.hidden_size < c.nested.prefix_values)
    in.reject("puzzle_emb_len", "to be 0 or to hold puzzle_emb_ndim numbers");
  if (in.integer("num_puzzle_identifiers", 1) != 1)
    in.reject("num_puzzle_identifiers", "to be 1 (this build has no puzzle to choose)");
}

// Two states refined by one small stack in nested loops over a grid that is read at once [TRM, arXiv:2510.04871], with
// attention between the positions.
ModelConfig read_config(const JsonReader& in) {
  ModelConfig c;
  c.vocab_size = in.integer_in("vocab_size", 1, 1 << 24);
  c.hidden_size = in.integer_in("hidden_size", 1, 1 << 20);
  c.layers = in.integer_in("L_layers", 1, 4096);
  c.heads = c.kv_heads = in.integer_in("num_heads", 1, c.hidden_size);
  if (c.hidden_size % c.heads != 0) in.reject("num_heads", "to divide hidden_size");
  c.head_size = c.hidden_size / c.heads;
  const double expansion = in.number("expansion");
  if (!(expansion > 0 && expansion <= 1024)) in.reject("expansion", "to be positive and at most 1024");
  // Two thirds, as the MLP is gated, and up to a multiple of 256.
  const double wide = std::nearbyint(expansion * static_cast<double>(c.hidden_size) * 2 / 3);
  c.mlp_size = (static_cast<int64_t>(wide) + 255) / 256 * 256;
  if (in.boolean("mlp_t", false)) in.reject("mlp_t", "to be false (this build mixes positions by attention)");
  c.max_positions = in.integer_in("seq_len", 1, 1 << 24);
  const std::string position = in.string("pos_encodings");
  if (position != "rope" && position != "learned") in.reject("pos_encodings", "to be rope or learned");
  c.position = position == "rope" ? PositionKind::rotary : PositionKind::learned;
  c.rotary.theta = in.number("rope_theta", 10000.0);
  if (!(c.rotary.theta > 0)) in.reject("rope_theta", "to be positive");
  c.rotary.size = c.head_size;
  if (position == "rope" && c.head_size % 2 != 0) in.reject("num_heads", "to give heads of even size");
  c.norm_eps = read_norm_eps(in, "rms_norm_eps", 1e-5);
  c.residual = Residual::post;
  c.bidirectional = true;
  c.embedding_scale = std::sqrt(static_cast<double>(c.hidden_size));
  c.nested.high_cycles = in.integer_in("H_cycles", 1, 4096);
  c.nested.low_cycles = in.integer_in("L_cycles", 1, 4096);
  read_prefix(in, c);
  c.depth.recurrent = c.depth.exit_gate = true;
  c.depth.recurrences = in.integer_in("halt_max_steps", 1, 1024);
  return c;
}

std::vector<FileTensor> files(const ModelConfig& c) {
  std::vector<FileTensor> out = {{"embed_tokens.embedding_weight", {slots::embedding}},
                                 {"lm_head.weight", {slots::unembedding}},
                                 {"q_head.weight", {"exit_gate.weight"}},
                                 {"q_head.bias", {"exit_gate.bias"}},
                                 {"H_init", {"high_start"}},
                                 {"L_init", {"low_start"}}};
  if (c.position == PositionKind::learned) out.push_back({"embed_pos.embedding_weight", {slots::positions}});
  if (c.nested.prefix > 0) {
    out.push_back({.name = "puzzle_emb.weights", .slots = {"prefix"}, .file_shape = {1, c.nested.prefix_values}});
  }
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string prefix = "L_level.layers." + std::to_string(layer) + ".";
    const auto slot = [&](std::string_view name) { return slots::in_layer(layer, name); };
    out.push_back(
        {prefix + "self_attn.qkv_proj.weight", {slot("query.weight"), slot("key.weight"), slot("value.weight")}});
    out.push_back({prefix + "self_attn.o_proj.weight", {slot("out.weight")}});
    out.push_back({prefix + "mlp.gate_up_proj.weight", {slot("gate.weight"), slot("up.weight")}});
    out.push_back({prefix + "mlp.down_proj.weight", {slot("down.weight")}});
  }
  return out;
}

bool ignorable(const ModelConfig&, const std::string&) { return false; }

}  // namespace

Family trm_family() { return {"trm", read_config, files, {"_orig_mod.", "model.", "inner."}, ignorable}; }

}  // namespace tacit
