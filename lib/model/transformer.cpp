#include "lib/model/transformer.h"

#include <cmath>

#include "lib/core/error.h"
#include "lib/model/rotary.h"
#include "lib/model/slots.h"

namespace tacit {

std::vector<WeightSlot> weight_slots(const ModelConfig& c) {
  std::vector<WeightSlot> out = {{slots::embedding, {c.vocab_size, c.hidden_size}}};
  if (c.position == PositionKind::learned) out.push_back({slots::positions, {c.max_positions, c.hidden_size}});
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    auto norm = [&](const std::string& name) {
      out.push_back({slots::in_layer(layer, name + ".weight"), {c.hidden_size}});
      if (c.norm == NormKind::layer) out.push_back({slots::in_layer(layer, name + ".bias"), {c.hidden_size}});
    };
    auto linear = [&](const std::string& name, int64_t outputs, int64_t inputs, bool bias) {
      out.push_back({slots::in_layer(layer, name + ".weight"), {outputs, inputs}});
      if (bias) out.push_back({slots::in_layer(layer, name + ".bias"), {outputs}});
    };
    norm("attention_norm");
    linear("query", c.heads * c.head_size, c.hidden_size, c.qkv_bias);
    linear("key", c.kv_heads * c.head_size, c.hidden_size, c.qkv_bias);
    linear("value", c.kv_heads * c.head_size, c.hidden_size, c.qkv_bias);
    linear("out", c.hidden_size, c.heads * c.head_size, c.out_bias);
    if (c.smeared_keys) out.push_back({slots::in_layer(layer, "smear"), {c.kv_heads}});
    if (c.head_norms) {
      out.push_back({slots::in_layer(layer, "query_norm.weight"), {c.head_size}});
      out.push_back({slots::in_layer(layer, "key_norm.weight"), {c.head_size}});
    }
    norm("mlp_norm");
    if (c.gated_mlp) linear("gate", c.mlp_size, c.hidden_size, c.mlp_bias);
    linear("up", c.mlp_size, c.hidden_size, c.mlp_bias);
    linear("down", c.hidden_size, c.mlp_size, c.mlp_bias);
  }
  out.push_back({slots::final_norm("weight"), {c.hidden_size}});
  if (c.norm == NormKind::layer) out.push_back({slots::final_norm("bias"), {c.hidden_size}});
  if (!c.tied_embeddings) out.push_back({slots::unembedding, {c.vocab_size, c.hidden_size}});
  return out;
}

at::Tensor NormLayer::operator()(const at::Tensor& x) const {
  if (kind == NormKind::layer) return at::layer_norm(x, weight_D.sizes(), weight_D, bias_D, eps);
  // In fp32 whatever the model's dtype, as the reference does.
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = at::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + eps);
  return (wide * scale).to(x.scalar_type()) * weight_D;
}

Transformer::Transformer(ModelConfig config, std::map<std::string, at::Tensor> weights)
    : config_(std::move(config)), weights_(std::move(weights)) {
  const auto expected = weight_slots(config_);
  for (const WeightSlot& slot : expected) {
    const auto found = weights_.find(slot.name);
    require(found != weights_.end(), "make_transformer", "expected a weight '", slot.name, "' of shape ",
            shape_text(slot.shape), " but got none");
    require(found->second.sizes() == at::IntArrayRef(slot.shape), "make_transformer", "expected '", slot.name,
            "' of shape ", shape_text(slot.shape), " but got ", shape_text(found->second.sizes()));
  }
  require(weights_.size() == expected.size(), "make_transformer", "expected ", expected.size(), " weights but got ",
          weights_.size());
  bind();
  if (config_.position == PositionKind::rotary) build_rotary_table();
}

void Transformer::bind() {
  auto get = [&](const std::string& name) {
    const auto found = weights_.find(name);
    return found == weights_.end() ? at::Tensor() : found->second;
  };
  auto norm = [&](const std::string& prefix) {
    return NormLayer{config_.norm, config_.norm_eps, get(prefix + "weight"), get(prefix + "bias")};
  };
  embedding_VD_ = get(slots::embedding);
  positions_PD_ = get(slots::positions);
  unembedding_VD_ = config_.tied_embeddings ? embedding_VD_ : get(slots::unembedding);
  final_norm_ = norm(slots::final_norm(""));
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    auto linear = [&](const std::string& name) {
      return LinearLayer{get(slots::in_layer(layer, name + ".weight")), get(slots::in_layer(layer, name + ".bias"))};
    };
    blocks_.push_back({norm(slots::in_layer(layer, "attention_norm.")), norm(slots::in_layer(layer, "mlp_norm.")),
                       linear("query"), linear("key"), linear("value"), linear("out"), linear("gate"), linear("up"),
                       linear("down"), norm(slots::in_layer(layer, "query_norm.")),
                       norm(slots::in_layer(layer, "key_norm.")), get(slots::in_layer(layer, "smear"))});
  }
}

void Transformer::build_rotary_table() {
  const std::vector<double> frequency = rotary_frequencies(config_.rotary);
  const at::Tensor position = at::arange(config_.max_positions, at::kFloat);
  const at::Tensor angle = at::outer(position, at::tensor(frequency, at::kDouble).to(at::kFloat));
  cos_PE_ = (at::cat({angle.cos(), angle.cos()}, 1) * config_.rotary.amplitude).to(device());
  sin_PE_ = (at::cat({angle.sin(), angle.sin()}, 1) * config_.rotary.amplitude).to(device());
}

at::Tensor Transformer::embed(const at::Tensor& ids) const {
  const at::Tensor rows = at::embedding(embedding_VD_, ids);
  return config_.embedding_scale == 1 ? rows : rows * config_.embedding_scale;
}

static at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu: return at::gelu(x);
    case Activation::gelu_tanh: return at::gelu(x, "tanh");
    case Activation::silu: return at::silu(x);
    case Activation::relu: return at::relu(x);
  }
  return x;
}

// x [B, H, T, E]; the first cos.size(-1) dimensions of E are rotated, halves paired.
static at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t size = cos.size(-1);
  if (size == 0) return x;
  const at::Tensor part = x.narrow(-1, 0, size);
  const at::Tensor turned = at::cat({-part.narrow(-1, size / 2, size / 2), part.narrow(-1, 0, size / 2)}, -1);
  const at::Tensor out = part * cos + turned * sin;
  return size == x.size(-1) ? out : at::cat({out, x.narrow(-1, size, x.size(-1) - size)}, -1);
}

at::Tensor Transformer::attend(const Block& block, int64_t layer, const at::Tensor& x_BTD, const at::Tensor& cos_B1TE,
                               const at::Tensor& sin_B1TE, Memory& memory) const {
  const int64_t rows = x_BTD.size(0), width = x_BTD.size(1);
  auto heads = [&](const at::Tensor& x) { return x.view({rows, width, -1, config_.head_size}).transpose(1, 2); };
  at::Tensor q = heads(block.query(x_BTD)), k = heads(block.key(x_BTD));
  if (config_.head_norms) {
    q = block.query_norm(q);
    k = block.key_norm(k);
  }
  if (cos_B1TE.defined()) {
    q = rotate(q, cos_B1TE, sin_B1TE);
    k = rotate(k, cos_B1TE, sin_B1TE);
  }
  AttentionOptions options{.scale = 1 / std::sqrt(static_cast<double>(config_.head_size))};
  if (block.smear_G.defined()) options.smear_G = block.smear_G.sigmoid();
  const at::Tensor found_BHTE = memory.attend(layer, q, k, heads(block.value(x_BTD)), options);
  return block.out(found_BHTE.transpose(1, 2).reshape({rows, width, -1}));
}

at::Tensor Transformer::mlp(const Block& block, const at::Tensor& x) const {
  if (!config_.gated_mlp) return block.down(activate(block.up(x), config_.activation));
  return block.down(activate(block.gate(x), config_.activation) * block.up(x));
}

at::Tensor Transformer::forward(const at::Tensor& x_BTD, const at::Tensor& position_BT, Memory& memory) const {
  at::Tensor x = x_BTD, cos, sin;
  if (config_.position == PositionKind::learned) {
    x = x + at::embedding(positions_PD_, position_BT);
  } else {
    cos = at::embedding(cos_PE_, position_BT).unsqueeze(1).to(x.scalar_type());
    sin = at::embedding(sin_PE_, position_BT).unsqueeze(1).to(x.scalar_type());
  }
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    const Block& block = blocks_[layer];
    const at::Tensor attended = x + attend(block, layer, block.attention_norm(x), cos, sin, memory);
    x = attended + mlp(block, block.mlp_norm(config_.parallel_residual ? x : attended));
  }
  return x;
}

at::Tensor Transformer::logits(const at::Tensor& normed) const { return at::linear(normed, unembedding_VD_); }

}  // namespace tacit
