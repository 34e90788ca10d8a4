#include "lib/model/transformer.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <numbers>
#include <span>

#include "lib/core/error.h"
#include "lib/memory/grid_memory.h"
#include "lib/model/deferred_gradient.h"
#include "lib/model/fused_model.h"
#include "lib/model/initial_state.h"
#include "lib/model/of_columns.h"
#include "lib/model/rotary.h"
#include "lib/model/slots.h"

namespace tacit {

// A grid's prefix has positions of its own.
static int64_t all_positions(const ModelConfig& c) { return c.max_positions + c.nested.prefix; }

TransformerParts::TransformerParts(const ModelConfig& c, const TakeWeight& take) {
  const bool grid = c.nested.high_cycles > 0;
  embedding_VD = take(slots::embedding, {c.vocab_size, c.hidden_size});
  if (c.position == PositionKind::learned) positions_PD = take(slots::positions, {all_positions(c), c.hidden_size});
  if (c.embedding_norm) embedding_norm = take_norm(take, "embedding_norm", NormKind::layer, c.hidden_size, c.norm_eps);
  if (grid) nested = NestedLoops(c, take);
  if (c.depth.injected) adapter = take_linear(take, "adapter", c.hidden_size, 2 * c.hidden_size, /*bias=*/false);
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    blocks.emplace_back(c, layer, [&](const std::string& name, const std::vector<int64_t>& shape) {
      return take(slots::in_layer(layer, name), shape);
    });
  }
  final_norm = grid ? NormLayer{NormKind::none} : take_norm(take, "final_norm", c.norm, c.hidden_size, c.norm_eps);
  if (c.depth.exit_gate) exit_gate = take_linear(take, "exit_gate", grid ? 2 : 1, c.hidden_size, /*bias=*/true);
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
    : config_(std::move(config)),
      weights_(std::move(weights)),
      parts_(bind_parts(config_, weights_)),
      fused_(std::make_shared<FusedModelCache>()) {
  make_rotary_tables(nullptr);
}

Transformer::Transformer(const Transformer& like, std::map<std::string, at::Tensor> weights, WeightFormat format)
    : config_(like.config_),
      weights_(std::move(weights)),
      parts_(bind_parts(config_, weights_)),
      weight_format_(format),
      fused_(std::make_shared<FusedModelCache>()) {
  make_rotary_tables(&like);
}

// From those of `like`, unless it has rounded them otherwise.
void Transformer::make_rotary_tables(const Transformer* like) {
  if (config_.position != PositionKind::rotary) return;
  const bool near = like && like->device() == device();
  if (near && like->dtype() == dtype()) {
    cos_PE_ = like->cos_PE_;
    sin_PE_ = like->sin_PE_;
    return;
  }
  const bool unrounded = near && (like->dtype() == at::kFloat || like->dtype() == at::kDouble);
  const RotaryTable table =
      unrounded ? RotaryTable{like->cos_PE_, like->sin_PE_} : rotary_table(config_.rotary, all_positions(config_));
  const auto rounded = [&](const at::Tensor& x) { return x.to(dtype()).to(device(), at::kFloat); };
  cos_PE_ = rounded(table.cos_PE);
  sin_PE_ = rounded(table.sin_PE);
}

at::Tensor Transformer::embed(const at::Tensor& ids) const {
  const at::Tensor& table_VD = parts_.embedding_VD;
  if (ids.is_cpu() && ids.scalar_type() == at::kLong && ids.is_contiguous()) {
    const std::span<const int64_t> all(ids.const_data_ptr<int64_t>(), ids.numel());
    const auto strange = std::ranges::find_if(all, [&](int64_t id) { return id < 0 || id >= config_.vocab_size; });
    require(strange == all.end(), "embed", "expected tokens of 0 to ", config_.vocab_size - 1, " but got ",
            strange == all.end() ? 0 : *strange);
  }
  const at::Tensor rows = is_deferred(table_VD) ? deferred_embedding(table_VD, ids) : at::embedding(table_VD, ids);
  return config_.embedding_scale == 1 ? rows : rows * config_.embedding_scale;
}

at::Tensor Transformer::embed_mixture(const at::Tensor& weight) const {
  const at::Tensor& table_VD = parts_.embedding_VD;
  require(weight.defined() && weight.dim() >= 1 && weight.size(-1) == table_VD.size(0) &&
              at::isFloatingType(weight.scalar_type()) && weight.device() == table_VD.device(),
          "embed_mixture", "expected floating-point weights [.., ", table_VD.size(0), "] on ", table_VD.device(),
          " but got ", weight.defined() ? shape_text(weight.sizes()) : "none");
  const at::Tensor sum = at::matmul(weight.to(table_VD.scalar_type()), table_VD);
  return config_.embedding_scale == 1 ? sum : sum * config_.embedding_scale;
}

// On CUDA a deferred gradient spares a table of zeros in every pass.
at::Tensor Transformer::learned_positions(const at::Tensor& position_BT) const {
  const at::Tensor& table_PD = parts_.positions_PD;
  return table_PD.is_cuda() && is_deferred(table_PD) ? deferred_embedding(table_PD, position_BT)
                                                     : at::embedding(table_PD, position_BT);
}

Pass Transformer::make_pass(Memory& memory, const at::Tensor& position_BT, at::ScalarType type) const {
  Pass pass{.memory = memory, .position_BT = position_BT};
  if (config_.position == PositionKind::rotary) {
    const auto at_positions = [&](const at::Tensor& table_PE) {
      return at::embedding(table_PE, position_BT).unsqueeze(1).to(type);
    };
    pass.cos_B1TE = at_positions(cos_PE_);
    pass.sin_B1TE = at_positions(sin_PE_);
    pass.cos_PE = cos_PE_;
    pass.sin_PE = sin_PE_;
  }
  return pass;
}

at::Tensor Transformer::forward(const at::Tensor& x_BTD, const at::Tensor& position_BT, Memory& memory,
                                const DepthRun& how, DepthTrace* trace, const at::Tensor& wanted) const {
  const DepthConfig& depth = config_.depth;
  const int64_t coda = config_.layers - depth.coda, times = how.recurrences > 0 ? how.recurrences : depth.recurrences;
  const bool early = leaves_early(config_, how.exit);
  DepthTrace own;
  if (!trace && early) trace = &own;
  if (trace) *trace = {.keep_layers = trace->keep_layers};
  const auto wanted_of = [&](const at::Tensor& x) { return of_columns(x, /*dim=*/1, wanted); };
  if (config_.nested.high_cycles > 0) return wanted_of(forward_grid(x_BTD, position_BT, memory, times, trace));
  // Where a trace, an early exit or a state looks at what the last block leaves, it must leave everything.
  const bool narrows = wanted.defined() && !trace && config_.layers > 0 &&
                       config_.layer(config_.layers - 1).feed_forward != FeedForwardKind::rwkv7;
  const int64_t places = depth.prelude + times * (coda - depth.prelude) + depth.coda;
  at::Tensor x = x_BTD;
  Pass pass = make_pass(memory, position_BT, x.scalar_type());
  if (config_.position == PositionKind::learned) x = x + learned_positions(position_BT);
  if (config_.embedding_norm) x = parts_.embedding_norm(x);
  int64_t place = 0;  // in the memory
  const auto run = [&](at::Tensor x, int64_t from, int64_t to) {
    for (int64_t layer = from; layer < to; ++layer) {
      if (narrows && place == places - 1) pass.wanted = wanted;
      x = parts_.blocks[layer](x, place++, pass);
      if (trace && trace->keep_layers) trace->layer_BTD.push_back(x);
    }
    return x;
  };
  const auto finish = [&](const at::Tensor& state) {
    return run(depth.injected ? final_norm(state) : state, coda, config_.layers);
  };
  x = run(x, 0, depth.prelude);
  const at::Tensor injected = x;
  if (depth.injected) x = initial_state(position_BT, config_.hidden_size, depth.state_deviation, x.scalar_type());
  std::vector<at::Tensor> outputs;  // by recurrence, where positions leave early
  for (int64_t r = 0; r < times; ++r) {
    const bool trained = how.gradient_last == 0 || r >= times - how.gradient_last;
    const at::AutoGradMode last_only(at::GradMode::is_enabled() && trained);
    if (depth.norm_between && r > 0) x = final_norm(x);
    if (depth.injected) x = parts_.adapter(at::cat({x, injected}, -1));
    x = run(x, depth.prelude, coda);
    if (!trace) continue;
    trace->hidden_BTD.push_back(x);
    if (depth.exit_gate) trace->gate.push_back(parts_.exit_gate(final_norm(x)).squeeze(-1));
    if (early) outputs.push_back(finish(x));
  }
  if (early) {
    trace->exit_BT = exits(outputs, how.exit, *trace);
    return wanted_of(at_exit(outputs, trace->exit_BT));
  }
  x = finish(x);
  return narrows ? x : wanted_of(x);
}

// The recurrence after which each position leaves, by the first of the rules that lets it go.
at::Tensor Transformer::exits(const std::vector<at::Tensor>& output_BTD, const DepthExit& exit,
                              const DepthTrace& trace) const {
  const DepthConfig& depth = config_.depth;
  const double threshold = exit.threshold < 0 ? depth.exit_threshold : exit.threshold;
  at::Tensor out_BT;
  if (depth.exit_gate && threshold < 1) out_BT = exit_by_gate(trace, threshold);
  if (exit.kl <= 0) return out_BT;
  const at::NoGradGuard no_grad;
  const auto read_out = [&](const at::Tensor& x_BTD) { return logits(final_norm(x_BTD)); };
  at::Tensor before_BTV = read_out(output_BTD[0]);
  std::vector<at::Tensor> settled_BT = {
      at::zeros(before_BTV.sizes().slice(0, 2), before_BTV.options().dtype(at::kBool))};
  for (size_t r = 1; r < output_BTD.size(); ++r) {
    const at::Tensor after_BTV = read_out(output_BTD[r]);
    settled_BT.push_back(nearly_same(before_BTV, after_BTV, exit.kl));
    before_BTV = after_BTV;
  }
  const at::Tensor by_kl_BT = first_settled(settled_BT);
  return out_BT.defined() ? at::minimum(out_BT, by_kl_BT) : by_kl_BT;
}

// `memory` says which columns are real and stores nothing.
at::Tensor Transformer::forward_grid(const at::Tensor& x_BTD, const at::Tensor& position_BT, const Memory& memory,
                                     int64_t steps, DepthTrace* trace) const {
  Grid grid = parts_.nested.with_prefix(x_BTD, position_BT, memory.real_BT());
  if (config_.position == PositionKind::learned) {  // the sum keeps the variance of its parts
    const at::Tensor position_BSD = at::embedding(parts_.positions_PD, grid.position_BS) * config_.embedding_scale;
    grid.input_BSD = (grid.input_BSD + position_BSD) / std::numbers::sqrt2;
  }
  GridMemory seen(grid.real_BS, x_BTD.size(0), grid.input_BSD.size(1), device());
  Pass pass = make_pass(seen, grid.position_BS, x_BTD.scalar_type());
  const auto stack = [&](at::Tensor z_BSD) {
    for (const Block& block : parts_.blocks) z_BSD = block(z_BSD, /*layer=*/0, pass);
    return z_BSD;
  };
  NestedState state = parts_.nested.start(grid);
  for (int64_t step = 0; step < steps; ++step) {
    state = parts_.nested.step(state, grid, stack);
    if (!trace) continue;
    trace->hidden_BTD.push_back(parts_.nested.without_prefix(state.high_BSD));
    // Output 1, "continue", says nothing beside output 0.
    trace->gate.push_back(parts_.exit_gate(parts_.nested.first(state.high_BSD, grid)).select(-1, 0));
  }
  return parts_.nested.without_prefix(state.high_BSD);
}

at::Tensor Transformer::logits(const at::Tensor& normed) const {
  return LinearLayer{parts_.unembedding_VD, {}}(normed);
}

std::shared_ptr<const FusedModel> Transformer::fused() const { return fused_->get(*this); }

}  // namespace tacit
