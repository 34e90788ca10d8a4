#include "lib/model/fused_model.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>

#include "lib/core/error.h"
#include "lib/kernels/huge_pages.h"
#include "lib/kernels/int8_rows.h"
#include "lib/kernels/latent_loop/latent_loop.h"
#include "lib/kernels/latent_loop/loop_norm.h"
#include "lib/kernels/packed_linear/packed_linear.h"
#include "lib/kernels/tensors.h"
#include "lib/model/slots.h"
#include "lib/model/transformer.h"

namespace tacit {

std::string_view why_not_fused(const Transformer& model) {
  const ModelConfig& c = model.config();
  const bool on_cuda = model.device().is_cuda();
  if (!model.device().is_cpu() && !on_cuda) return "it is neither on the CPU nor on CUDA";
  if (on_cuda && c.smeared_keys) return "its keys are smeared, which latent_loop does not know on CUDA";
  if (on_cuda && c.head_size > 256) return "its heads are larger than latent_loop takes on CUDA";
  if (model.dtype() != at::kFloat && model.dtype() != at::kBFloat16) return "it is neither fp32 nor bf16";
  if (c.bidirectional || c.nested.high_cycles > 0) return "it reads a grid at once";
  if (c.depth.injected) return "its recurrence reads the prelude";
  if (c.depth.exit_gate && c.depth.exit_threshold < 1) return "its positions leave at different depths";
  if (c.embedding_norm) return "its embeddings pass a norm";
  if (c.norm == NormKind::none) return "its norms have no weights";
  if (c.attention_scale != 0) return "its attention has a scale of its own";
  if (c.residual != Residual::pre && c.residual != Residual::parallel && c.residual != Residual::sandwich)
    return "its blocks add to the residual stream in another way";
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const LayerConfig l = c.layer(layer);
    if (l.mixer != MixerKind::attention) return "a block's mixer is not attention";
    if (l.feed_forward != FeedForwardKind::mlp) return "a block's feed-forward part is not an MLP";
  }
  for (const auto& [name, weight] : model.weights()) {
    if (weight.requires_grad()) return "its weights require gradients";
    if (weight.is_inference()) return "its weights do not tell when they change";
    if (weight.scalar_type() != model.dtype()) return "its weights are of several dtypes";
  }
  return {};
}

namespace {

LoopActivation loop_activation(Activation activation) {
  switch (activation) {
    case Activation::gelu: return LoopActivation::gelu;
    case Activation::gelu_tanh: return LoopActivation::gelu_tanh;
    case Activation::silu: return LoopActivation::silu;
    case Activation::relu: return LoopActivation::relu;
    case Activation::relu_squared: return LoopActivation::relu_squared;
  }
  fail("pack_model", "expected a known activation but got ", static_cast<int>(activation));
}

// Weights of one block by their names.
class BlockWeights {
 public:
  BlockWeights(const Transformer& model, int64_t layer, std::vector<at::Tensor>& kept)
      : model_(model), layer_(layer), kept_(kept) {}

  // Undefined where the block has none.
  at::Tensor find(const std::string& name) const {
    const auto found = model_.weights().find(slots::in_layer(layer_, name));
    return found == model_.weights().end() ? at::Tensor() : found->second.detach();
  }
  LoopNorm norm(const std::string& name) const {
    return {pointer(find(name + ".weight")), pointer(find(name + ".bias"))};
  }

  // One layer of several, their outputs one after the other; the weights follow when the memory is there.
  struct Stack {
    std::vector<at::Tensor> weights;  // as they are packed
    std::vector<at::Tensor> scales;   // of int8, one a weight
    LoopLinear linear;
  };
  Stack stack(const std::vector<std::string>& names) const {
    Stack out;
    std::vector<at::Tensor> biases;
    bool biased = false;
    for (const std::string& name : names) {
      const at::Tensor weight = find(name + ".weight"), bias = find(name + ".bias");
      biased = biased || bias.defined();
      biases.push_back(bias.defined() ? bias : at::zeros({weight.size(0)}, weight.options()));
      out.linear.outputs += weight.size(0);
      out.linear.inputs = weight.size(1);
      if (model_.weight_format() == WeightFormat::int8) {
        const Int8Rows rows = to_int8(weight);
        // A row with a number that is none holds none: such a model answers with them, as in fp32.
        const at::Tensor held = from_int8(rows, weight.scalar_type());
        require(at::allclose(held, weight, 0, 0, /*equal_nan=*/true), "pack_model", "expected '",
                slots::in_layer(layer_, name), ".weight' in int8, as int8_model() left it, but it holds other numbers");
        out.weights.push_back(rows.q_OI);
        out.scales.push_back(rows.scale_O);
      } else {
        out.weights.push_back(weight);
      }
    }
    if (biased) out.linear.bias_O = pointer(at::cat(biases));
    return out;
  }
  const void* pointer(const at::Tensor& vector) const {
    if (!vector.defined()) return nullptr;
    kept_.push_back(vector.contiguous());
    return kept_.back().const_data_ptr();
  }

 private:
  const Transformer& model_;
  int64_t layer_;
  std::vector<at::Tensor>& kept_;
};

// Packs matrices one below the other; with `scales` they are int8.
void pack(const std::vector<at::Tensor>& weights, const std::vector<at::Tensor>& scales, Scalar scalar, void* packed) {
  int64_t first = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const at::Tensor& weight_OI = weights[i];
    pack_linear({.outputs = weight_OI.size(0),
                 .inputs = weight_OI.size(1),
                 .scalar = scalar,
                 .format = scales.empty() ? WeightFormat::scalar : WeightFormat::int8,
                 .weight_OI = weight_OI.const_data_ptr(),
                 .scale_O = scales.empty() ? nullptr : scales[i].const_data_ptr<float>(),
                 .output_stride = weight_OI.stride(0),
                 .input_stride = weight_OI.stride(1),
                 .first = first,
                 .packed = packed});
    first += weight_OI.size(0);
  }
}

// Numbers of the host, one a row, where a kernel on `device` reads them.
class DeviceList {
 public:
  DeviceList(std::span<const int64_t> numbers, at::Device device) : host_(numbers.data()) {
    if (device.is_cpu() || numbers.empty()) return;
    const at::Tensor list = at::tensor(at::ArrayRef<int64_t>(numbers.data(), numbers.size()), at::kLong);
    on_device_ = list.pin_memory().to(device, /*non_blocking=*/true);
  }
  const int64_t* data() const { return on_device_.defined() ? on_device_.const_data_ptr<int64_t>() : host_; }

 private:
  const int64_t* host_;
  at::Tensor on_device_;
};

}  // namespace

struct FusedModel::Packed {
  ModelConfig config;
  Scalar scalar = Scalar::fp32;
  LatentLoopArgs args;           // but for what a call brings
  std::vector<LoopLayer> block;  // of the model, each once; without memory
  std::unique_ptr<HugePages> weights;
  std::vector<at::Tensor> kept;  // what args and block point to
  at::Tensor unembedding_VD;
  // Packed when first asked for: thoughts need no vocabulary.
  mutable std::once_flag unembedding_once;
  mutable std::unique_ptr<HugePages> unembedding;

  explicit Packed(const Transformer& model);
};

FusedModel::Packed::Packed(const Transformer& model)
    : config(model.config()), unembedding_VD(model.unembedding().detach()) {
  const ModelConfig& c = config;
  scalar = kernel_scalar(unembedding_VD, "pack_model");
  std::vector<BlockWeights::Stack> stacks;  // four a block
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const BlockWeights w(model, layer, kept);
    LoopLayer l;
    l.attention_norm = w.norm("attention_norm");
    l.mlp_norm = w.norm("mlp_norm");
    l.attention_post_norm = w.norm("attention_post_norm");
    l.mlp_post_norm = w.norm("mlp_post_norm");
    l.query_norm = w.norm("query_norm");
    l.key_norm = w.norm("key_norm");
    if (const at::Tensor smear_G = w.find("smear"); smear_G.defined()) {
      l.smear_G = static_cast<const float*>(w.pointer(smear_G.to(at::kFloat).sigmoid()));
    }
    stacks.push_back(w.stack({"query", "key", "value"}));
    stacks.push_back(w.stack({"out"}));
    stacks.push_back(c.gated_mlp ? w.stack({"gate", "up"}) : w.stack({"up"}));
    stacks.push_back(w.stack({"down"}));
    block.push_back(l);
  }
  const bool on_host = model.device().is_cpu();
  int64_t bytes = 0;
  const auto bytes_of = [&](const LoopLinear& linear) {
    return packed_linear_bytes(linear.outputs, linear.inputs, scalar, model.weight_format());
  };
  for (const auto& s : stacks) bytes += bytes_of(s.linear);
  if (on_host) weights = std::make_unique<HugePages>(bytes);
  int64_t offset = 0;
  for (size_t i = 0; i < stacks.size(); ++i) {
    LoopLinear& linear = stacks[i].linear;
    if (on_host) {
      pack(stacks[i].weights, stacks[i].scales, scalar, weights->data() + offset);
      linear.weight_OI = weights->data() + offset;
      offset += bytes_of(linear);
    } else {  // row-major, of the model's own format a copy only where matrices are stacked or transposed
      const std::vector<at::Tensor>&parts = stacks[i].weights, &scales = stacks[i].scales;
      const at::Tensor whole = parts.size() == 1 ? parts[0].contiguous() : at::cat(parts);
      kept.push_back(scales.empty() ? whole : pack_rows({whole, at::cat(scales)}));
      linear.weight_OI = kept.back().const_data_ptr();
    }
    LoopLayer& l = block[i / 4];
    LoopLinear* const places[] = {&l.query_key_value, &l.out, &l.up, &l.down};
    *places[i % 4] = linear;
  }

  args.size = c.hidden_size;
  args.heads = c.heads;
  args.kv_heads = c.kv_heads;
  args.head_size = c.head_size;
  args.mlp_size = c.mlp_size;
  args.scalar = scalar;
  args.format = model.weight_format();
  args.layer_norm = c.norm == NormKind::layer;
  args.eps = static_cast<float>(c.norm_eps);
  args.parallel = c.residual == Residual::parallel;
  args.gated = c.gated_mlp;
  args.activation = loop_activation(c.activation);
  args.attention_scale = static_cast<float>(1 / std::sqrt(static_cast<double>(c.head_size)));
  const BlockWeights outside(model, 0, kept);
  if (c.position == PositionKind::rotary) {
    args.rotary_size = c.rotary.size;
    args.rotary_interleaved = c.rotary.interleaved;
    args.cos_PE = static_cast<const float*>(outside.pointer(model.cos_PE()));
    args.sin_PE = static_cast<const float*>(outside.pointer(model.sin_PE()));
  }
  const auto weight = [&](const std::string& name) {
    const auto found = model.weights().find(name);
    return found == model.weights().end() ? nullptr : outside.pointer(found->second.detach());
  };
  if (c.position == PositionKind::learned) args.positions_PD = weight(slots::positions);
  args.final_norm = {weight(slots::final_norm("weight")), weight(slots::final_norm("bias"))};
}

FusedModel::FusedModel(const Transformer& model) {
  const at::NoGradGuard no_grad;
  const std::string_view reason = why_not_fused(model);
  require(reason.empty(), "pack_model", "expected a model that latent_loop can run but ", reason);
  packed_ = std::make_unique<const Packed>(model);
}

FusedModel::~FusedModel() = default;

bool FusedModel::fits(const InferenceMemory& memory) {
  const auto layers = static_cast<int64_t>(memory.shape().layout.size());
  for (int64_t layer = 0; layer < layers; ++layer) {
    if (!memory.stored_keys(layer).k_BGCE.defined()) return false;
  }
  return layers > 0;
}

void FusedModel::run(const Run& run, InferenceMemory& memory) const {
  const ModelConfig& c = packed_->config;
  const int64_t rows = memory.shape().rows;
  // The blocks in the order of Transformer::forward(), each run with its own memory.
  const auto places = static_cast<int64_t>(memory.shape().layout.size());
  const int64_t first = c.depth.prelude, core = c.layers - c.depth.prelude - c.depth.coda;
  const int64_t times = (places - c.depth.prelude - c.depth.coda) / core;
  std::vector<LoopLayer> block;
  block.reserve(places);
  int64_t columns = 0;
  for (int64_t place = 0; place < places; ++place) {
    const int64_t into_core = place - first, left = places - place;
    int64_t number = place;
    if (into_core >= 0) number = left <= c.depth.coda ? c.layers - left : first + into_core % core;
    LoopLayer l = packed_->block[number];
    const StoredKeys stored = memory.stored_keys(place);
    columns = stored.k_BGCE.size(2);
    l.k_BGCE = stored.k_BGCE.data_ptr();
    l.v_BGCE = stored.v_BGCE.data_ptr();
    if (l.smear_G) l.last_k_BGE = stored.last_k_BG1E.data_ptr();
    if (c.depth.norm_between && into_core >= 0 && into_core / core < times - 1 && into_core % core == core - 1) {
      l.stream_norm = packed_->args.final_norm;
    }
    block.push_back(l);
  }
  const at::Tensor x_BD = run.x_BD.contiguous();
  LatentLoopArgs args = packed_->args;
  args.rows = rows;
  args.steps = run.steps;
  args.layers = places;
  args.columns = columns;
  args.block = block.data();
  args.feed_normed = run.feed_normed;
  const DeviceList stored_B(memory.lengths(), x_BD.device()), active_B(run.active_B, x_BD.device());
  args.stored_B = stored_B.data();
  args.active_B = run.active_B.empty() ? nullptr : active_B.data();
  args.x_BD = x_BD.const_data_ptr();
  args.hidden_BD = run.hidden_BD.data_ptr();
  args.trace_BND = run.trace_BND.defined() ? run.trace_BND.data_ptr() : nullptr;
  latent_loop(args, kernel_place(x_BD, "latent_loop"));
  std::vector<int64_t> counts(rows, run.steps);
  for (size_t b = 0; b < run.active_B.size(); ++b) {
    if (run.active_B[b] == 0) counts[b] = 0;
  }
  memory.grow(counts);
}

at::Tensor FusedModel::final_norm(const at::Tensor& hidden) const {
  const at::Tensor x = hidden.contiguous(), y = at::empty_like(x);
  const LatentLoopArgs& args = packed_->args;
  const LoopNormArgs norm = {.rows = x.numel() / args.size,
                             .size = args.size,
                             .scalar = args.scalar,
                             .layer_norm = args.layer_norm,
                             .eps = args.eps,
                             .norm = args.final_norm,
                             .x_ND = x.const_data_ptr(),
                             .y_ND = y.data_ptr()};
  if (x.is_cpu())
    loop_norm(norm);
  else
    loop_norm_cuda(norm, kernel_place(x, "loop_norm").stream);
  return y;
}

at::Tensor FusedModel::logits(const at::Tensor& normed) const {
  const Packed& p = *packed_;
  const int64_t vocab = p.unembedding_VD.size(0), size = p.unembedding_VD.size(1);
  const bool on_host = normed.is_cpu();
  if (!on_host && !p.unembedding_VD.is_contiguous()) return at::linear(normed, p.unembedding_VD);
  std::call_once(p.unembedding_once, [&] {
    if (!on_host) return;
    p.unembedding = std::make_unique<HugePages>(packed_linear_bytes(vocab, size, p.scalar));
    pack({p.unembedding_VD}, {}, p.scalar, p.unembedding->data());
  });
  const at::Tensor x = normed.contiguous();
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = vocab;
  const at::Tensor y = at::empty(shape, x.options());
  packed_linear({.rows = x.numel() / size,
                 .outputs = vocab,
                 .inputs = size,
                 .scalar = p.scalar,
                 .activations = p.scalar,
                 .weight_OI = on_host ? p.unembedding->data() : p.unembedding_VD.const_data_ptr(),
                 .x_MI = x.const_data_ptr(),
                 .y_MO = y.data_ptr()},
                kernel_place(x, "packed_linear"));
  return y;
}

std::shared_ptr<const FusedModel> FusedModelCache::get(const Transformer& model) {
  const std::lock_guard lock(mutex_);
  if (fused_ && unchanged()) return fused_;
  if (!why_not_fused(model).empty()) return nullptr;
  fused_ = nullptr;  // a changed model's old form makes room for the new one
  seen_.clear();
  std::vector<Seen> seen;
  for (const auto& [name, weight] : model.weights()) {
    seen.push_back({weight, weight.storage(), weight.const_data_ptr(), weight._version()});
  }
  fused_ = std::make_shared<const FusedModel>(model);
  seen_ = std::move(seen);
  return fused_;
}

// Asked at every step, when the weights have driven all else from the caches: it reads no more than it must.
bool FusedModelCache::unchanged() const {
  return std::ranges::all_of(seen_, [](const Seen& s) {
    return s.weight.const_data_ptr() == s.data && s.weight._version() == s.version && !s.weight.requires_grad();
  });
}

}  // namespace tacit
