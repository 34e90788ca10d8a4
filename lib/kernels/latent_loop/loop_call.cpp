#include "lib/kernels/latent_loop/loop_call.h"

#include "lib/kernels/int8_rows.h"
#include "lib/kernels/packed_linear/packed_linear.h"
#include "lib/kernels/tensors.h"

namespace tacit {
namespace {

template <class T = void>
T* pointer(const at::Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  require(tensor.is_contiguous(), "loop_call", "expected contiguous tensors");
  return static_cast<T*>(tensor.data_ptr());
}

LoopNorm norm(const LoopNormTensors& tensors) { return {pointer(tensors.weight_D), pointer(tensors.bias_D)}; }

}  // namespace

LoopLinear LoopCall::linear(const LoopLinearTensors& layer, WeightFormat format) {
  if (!layer.weight_OI.defined()) return {};
  const bool int8 = format == WeightFormat::int8;
  const Int8Rows rows = int8 ? to_int8(layer.weight_OI) : Int8Rows{layer.weight_OI, {}};
  LoopLinear out{pointer(rows.q_OI), pointer(layer.bias_O), layer.weight_OI.size(0), layer.weight_OI.size(1)};
  if (!layer.weight_OI.is_cpu()) {
    if (!int8) return out;
    kept_.push_back(pack_rows(rows));
    out.weight_OI = pointer(kept_.back());
    return out;
  }
  const Scalar scalar = kernel_scalar(layer.weight_OI, "loop_call");
  packed_.push_back(std::make_unique<HugePages>(packed_linear_bytes(out.outputs, out.inputs, scalar, format)));
  pack_linear({.outputs = out.outputs,
               .inputs = out.inputs,
               .scalar = scalar,
               .format = format,
               .weight_OI = out.weight_OI,
               .scale_O = pointer<const float>(rows.scale_O),
               .output_stride = out.inputs,
               .packed = packed_.back()->data()});
  out.weight_OI = packed_.back()->data();
  return out;
}

const int64_t* LoopCall::list(const std::vector<int64_t>& numbers) {
  if (numbers.empty()) return nullptr;
  kept_.push_back(at::tensor(numbers, at::kLong).to(tensors_.x_BD.device()));
  return kept_.back().const_data_ptr<int64_t>();
}

LoopCall::LoopCall(LatentLoopTensors& tensors) : tensors_(tensors), args_(tensors.sizes) {
  for (const LoopLayerTensors& l : tensors.block) {
    block_.push_back({.attention_norm = norm(l.attention_norm),
                      .mlp_norm = norm(l.mlp_norm),
                      .attention_post_norm = norm(l.attention_post_norm),
                      .mlp_post_norm = norm(l.mlp_post_norm),
                      .stream_norm = norm(l.stream_norm),
                      .query_key_value = linear(l.query_key_value, args_.format),
                      .query_norm = norm(l.query_norm),
                      .key_norm = norm(l.key_norm),
                      .out = linear(l.out, args_.format),
                      .up = linear(l.up, args_.format),
                      .down = linear(l.down, args_.format),
                      .k_BGCE = pointer(l.k_BGCE),
                      .v_BGCE = pointer(l.v_BGCE),
                      .smear_G = pointer<const float>(l.smear_G),
                      .last_k_BGE = pointer(l.last_k_BGE)});
  }
  args_.rows = tensors.x_BD.size(0);
  args_.layers = std::ssize(block_);
  args_.scalar = kernel_scalar(tensors.x_BD, "loop_call");
  args_.block = block_.data();
  args_.cos_PE = pointer<const float>(tensors.cos_PE);
  args_.sin_PE = pointer<const float>(tensors.sin_PE);
  args_.positions_PD = pointer(tensors.positions_PD);
  args_.final_norm = norm(tensors.final_norm);
  args_.halt = linear(tensors.halt, WeightFormat::scalar);
  args_.stored_B = list(tensors.stored_B);
  args_.active_B = list(tensors.active_B);
  args_.x_BD = pointer(tensors.x_BD);
  args_.hidden_BD = pointer(tensors.hidden_BD);
  args_.trace_BND = pointer(tensors.trace_BND);
  steps_B_ = at::zeros({args_.rows}, at::TensorOptions(tensors.x_BD.device()).dtype(at::kLong));
  args_.steps_B = steps_B_.data_ptr<int64_t>();
}

void LoopCall::run() { latent_loop(args_, kernel_place(tensors_.x_BD, "loop_call")); }

void LoopCall::fetch_steps() {
  const at::Tensor steps_B = steps_B_.cpu();
  tensors_.steps_B.assign(steps_B.const_data_ptr<int64_t>(), steps_B.const_data_ptr<int64_t>() + steps_B.numel());
}

}  // namespace tacit
