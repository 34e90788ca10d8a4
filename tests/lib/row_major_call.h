#pragma once

#include <vector>

#include "lib/kernels/int8_rows.h"
#include "lib/kernels/tensors.h"
#include "tests/lib/kernels_latent_loop_checks.h"

namespace tacit::test {

// LatentLoopArgs as they are on CUDA, weights row-major, over tensors that lie there, or on the host for a device that
// is emulated. The tensors must outlive it.
class RowMajorCall {
 public:
  explicit RowMajorCall(LatentLoopTensors& t) : args(t.sizes) {
    const auto at = [](const at::Tensor& x) { return x.defined() ? x.data_ptr() : nullptr; };
    const auto norm = [&](const LoopNormTensors& n) { return LoopNorm{at(n.weight_D), at(n.bias_D)}; };
    const auto scalar_linear = [&](const LoopLinearTensors& l) {
      if (!l.weight_OI.defined()) return LoopLinear{};
      return LoopLinear{at(l.weight_OI), at(l.bias_O), l.weight_OI.size(0), l.weight_OI.size(1)};
    };
    const auto linear = [&](const LoopLinearTensors& l) {
      LoopLinear out = scalar_linear(l);
      if (t.sizes.format == WeightFormat::scalar) return out;
      lists_.push_back(pack_rows(to_int8(l.weight_OI)));
      out.weight_OI = lists_.back().data_ptr();
      return out;
    };
    const auto list = [&](const std::vector<int64_t>& numbers) {
      lists_.push_back(at::tensor(numbers, at::kLong).to(t.x_BD.device()));
      return lists_.back().data_ptr<int64_t>();
    };
    for (const LoopLayerTensors& l : t.block) {
      block_.push_back({.attention_norm = norm(l.attention_norm),
                        .mlp_norm = norm(l.mlp_norm),
                        .attention_post_norm = norm(l.attention_post_norm),
                        .mlp_post_norm = norm(l.mlp_post_norm),
                        .stream_norm = norm(l.stream_norm),
                        .query_key_value = linear(l.query_key_value),
                        .query_norm = norm(l.query_norm),
                        .key_norm = norm(l.key_norm),
                        .out = linear(l.out),
                        .up = linear(l.up),
                        .down = linear(l.down),
                        .k_BGCE = at(l.k_BGCE),
                        .v_BGCE = at(l.v_BGCE)});
    }
    args.rows = t.x_BD.size(0);
    args.layers = std::ssize(block_);
    args.scalar = kernel_scalar(t.x_BD, "test");
    args.block = block_.data();
    args.cos_PE = static_cast<const float*>(at(t.cos_PE));
    args.sin_PE = static_cast<const float*>(at(t.sin_PE));
    args.positions_PD = at(t.positions_PD);
    args.final_norm = norm(t.final_norm);
    args.halt = scalar_linear(t.halt);
    args.stored_B = list(t.stored_B);
    args.active_B = t.active_B.empty() ? nullptr : list(t.active_B);
    args.x_BD = at(t.x_BD);
    args.hidden_BD = at(t.hidden_BD);
    args.trace_BND = at(t.trace_BND);
    args.steps_B = list(std::vector<int64_t>(t.stored_B.size(), -1));
    steps_B_ = lists_.back();
  }

  std::vector<int64_t> steps() const {
    const at::Tensor steps_B = steps_B_.cpu();
    return {steps_B.const_data_ptr<int64_t>(), steps_B.const_data_ptr<int64_t>() + steps_B.numel()};
  }

  LatentLoopArgs args;

 private:
  std::vector<LoopLayer> block_;
  std::vector<at::Tensor> lists_;
  at::Tensor steps_B_;
};

inline void check_same_bits(const LatentLoopTensors& a, const LatentLoopTensors& b) {
  CHECK(a.steps_B == b.steps_B);
  CHECK(at::equal(a.hidden_BD, b.hidden_BD));
  CHECK(at::equal(a.trace_BND, b.trace_BND));
  for (size_t l = 0; l < a.block.size(); ++l) {
    CHECK(at::equal(a.block[l].k_BGCE, b.block[l].k_BGCE));
    CHECK(at::equal(a.block[l].v_BGCE, b.block[l].v_BGCE));
  }
}

}  // namespace tacit::test
