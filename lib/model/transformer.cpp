#include "lib/model/transformer.h"

#include "lib/core/error.h"
#include "lib/model/rotary.h"
#include "lib/model/slots.h"

namespace tacit {

TransformerParts::TransformerParts(const ModelConfig& c, const TakeWeight& take) {
  embedding_VD = take(slots::embedding, {c.vocab_size, c.hidden_size});
  if (c.position == PositionKind::learned) positions_PD = take(slots::positions, {c.max_positions, c.hidden_size});
  if (c.embedding_norm) embedding_norm = take_norm(take, "embedding_norm", NormKind::layer, c.hidden_size, c.norm_eps);
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    blocks.emplace_back(c, layer, [&](const std::string& name, const std::vector<int64_t>& shape) {
      return take(slots::in_layer(layer, name), shape);
    });
  }
  final_norm = take_norm(take, "final_norm", c.norm, c.hidden_size, c.norm_eps);
  unembedding_VD = c.tied_embeddings ? embedding_VD : take(slots::unembedding, {c.vocab_size, c.hidden_size});
}

std::vector<WeightSlot> weight_slots(const ModelConfig& config) {
  std::vector<WeightSlot> out;
  TransformerParts(config, [&](const std::string& name, const std::vector<int64_t>& shape) {
    out.push_back({name, shape});
    return at::Tensor();
  });
  return out;
}

// Every weight that the parts ask for, which must be all there are.
static TransformerParts bind_parts(const ModelConfig& config, const std::map<std::string, at::Tensor>& weights) {
  size_t taken = 0;
  TransformerParts parts(config, [&](const std::string& name, const std::vector<int64_t>& shape) {
    const auto found = weights.find(name);
    require(found != weights.end(), "make_transformer", "expected a weight '", name, "' of shape ", shape_text(shape),
            " but got none");
    require(found->second.sizes() == at::IntArrayRef(shape), "make_transformer", "expected '", name, "' of shape ",
            shape_text(shape), " but got ", shape_text(found->second.sizes()));
    ++taken;
    return found->second;
  });
  require(weights.size() == taken, "make_transformer", "expected ", taken, " weights but got ", weights.size());
  return parts;
}

Transformer::Transformer(ModelConfig config, std::map<std::string, at::Tensor> weights)
    : config_(std::move(config)), weights_(std::move(weights)), parts_(bind_parts(config_, weights_)) {
  if (config_.position == PositionKind::rotary) {
    const RotaryTable table = rotary_table(config_.rotary, config_.max_positions);
    cos_PE_ = table.cos_PE.to(device());
    sin_PE_ = table.sin_PE.to(device());
  }
}

at::Tensor Transformer::embed(const at::Tensor& ids) const {
  const at::Tensor rows = at::embedding(parts_.embedding_VD, ids);
  return config_.embedding_scale == 1 ? rows : rows * config_.embedding_scale;
}

at::Tensor Transformer::forward(const at::Tensor& x_BTD, const at::Tensor& position_BT, Memory& memory,
                                int64_t recurrences) const {
  at::Tensor x = x_BTD;
  Pass pass{.memory = memory, .position_BT = position_BT};
  if (config_.position == PositionKind::learned) x = x + at::embedding(parts_.positions_PD, position_BT);
  if (config_.position == PositionKind::rotary) {
    const auto at_positions = [&](const at::Tensor& table_PE) {
      return at::embedding(table_PE, position_BT).unsqueeze(1).to(x.scalar_type());
    };
    pass.cos_B1TE = at_positions(cos_PE_);
    pass.sin_B1TE = at_positions(sin_PE_);
  }
  if (config_.embedding_norm) x = parts_.embedding_norm(x);
  int64_t place = 0;  // in the memory
  const auto run = [&](int64_t from, int64_t to) {
    for (int64_t layer = from; layer < to; ++layer) x = parts_.blocks[layer](x, place++, pass);
  };
  const DepthConfig& depth = config_.depth;
  const int64_t coda = config_.layers - depth.coda, times = recurrences > 0 ? recurrences : depth.recurrences;
  run(0, depth.prelude);
  for (int64_t r = 0; r < times; ++r) {
    if (depth.norm_between && r > 0) x = final_norm(x);
    run(depth.prelude, coda);
  }
  run(coda, config_.layers);
  return x;
}

at::Tensor Transformer::logits(const at::Tensor& normed) const { return at::linear(normed, parts_.unembedding_VD); }

}  // namespace tacit
