#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

ModelConfig read_config(const JsonReader& in) {
  ModelConfig c;
  c.vocab_size = in.integer_in("vocab_size", 1, 1 << 24);
  c.hidden_size = in.integer_in("n_embd", 1, 1 << 20);
  c.layers = in.integer_in("n_layer", 1, 4096);
  c.heads = c.kv_heads = in.integer_in("n_head", 1, c.hidden_size);
  if (c.hidden_size % c.heads != 0) in.reject("n_head", "to divide n_embd");
  c.head_size = c.hidden_size / c.heads;
  c.mlp_size = in.integer("n_inner", 4 * c.hidden_size);
  c.max_positions = in.integer_in("n_positions", 1, 1 << 24);
  c.norm = NormKind::layer;
  c.norm_eps = read_norm_eps(in, "layer_norm_epsilon", 1e-5);
  c.position = PositionKind::learned;
  c.activation = read_activation(in, "activation_function", "gelu_new");
  c.gated_mlp = false;
  c.qkv_bias = c.out_bias = c.mlp_bias = true;
  c.tied_embeddings = in.boolean("tie_word_embeddings", true);
  if (!in.boolean("scale_attn_weights", true)) in.reject("scale_attn_weights", "to be true (this build always scales)");
  if (in.boolean("scale_attn_by_inverse_layer_idx", false)) {
    in.reject("scale_attn_by_inverse_layer_idx", "to be false (this build scales every layer alike)");
  }
  return c;
}

std::vector<FileTensor> files(const ModelConfig& c) {
  std::vector<FileTensor> out = {{"wte.weight", {slots::embedding}},
                                 {"wpe.weight", {slots::positions}},
                                 {"ln_f.weight", {slots::final_norm("weight")}},
                                 {"ln_f.bias", {slots::final_norm("bias")}}};
  if (!c.tied_embeddings) out.push_back({"lm_head.weight", {slots::unembedding}});
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string h = "h." + std::to_string(layer) + ".";
    auto slot = [&](std::string_view name) { return slots::in_layer(layer, name); };
    for (std::string kind : {"weight", "bias"}) {
      const bool transposed = kind == "weight";
      out.push_back({h + "ln_1." + kind, {slot("attention_norm." + kind)}});
      out.push_back({h + "ln_2." + kind, {slot("mlp_norm." + kind)}});
      out.push_back(
          {h + "attn.c_attn." + kind, {slot("query." + kind), slot("key." + kind), slot("value." + kind)}, transposed});
      out.push_back({h + "attn.c_proj." + kind, {slot("out." + kind)}, transposed});
      out.push_back({h + "mlp.c_fc." + kind, {slot("up." + kind)}, transposed});
      out.push_back({h + "mlp.c_proj." + kind, {slot("down." + kind)}, transposed});
    }
  }
  return out;
}

bool ignorable(const ModelConfig& c, const std::string& name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") ||
         (c.tied_embeddings && name == "lm_head.weight");
}

}  // namespace

Family gpt2_family() { return {"gpt2", read_config, files, {"transformer."}, ignorable}; }

}  // namespace tacit
