#include "lib/kernels/latent_loop/latent_loop_reference.h"

namespace tacit {
namespace {

at::Tensor rms(const at::Tensor& x, const LoopNormTensors& norm, double eps) {
  return x * at::rsqrt(x.square().mean(-1, /*keepdim=*/true) + eps) * norm.weight_D;
}

at::Tensor linear(const at::Tensor& x, const LoopLinearTensors& layer) {
  return at::linear(x, layer.weight_OI, layer.bias_O);
}

at::Tensor activate(const at::Tensor& x, LoopActivation activation) {
  switch (activation) {
    case LoopActivation::gelu: return at::gelu(x);
    case LoopActivation::gelu_tanh: return at::gelu(x, "tanh");
    case LoopActivation::silu: return at::silu(x);
    case LoopActivation::relu: return at::relu(x);
    case LoopActivation::relu_squared: return at::relu(x).square();
  }
  return x;
}

// One row of the loop.
class Row {
 public:
  Row(LatentLoopTensors& tensors, at::ScalarType stored_as, int64_t b)
      : t_(tensors), a_(tensors.sizes), stored_as_(stored_as), b_(b) {}

  void run() {
    at::Tensor next_D = t_.x_BD[b_];
    for (int64_t step = 0; step < a_.steps; ++step) {
      const at::Tensor hidden_D = t_.hidden_BD[b_], normed_D = rounded(norm(hidden_D, t_.final_norm));
      if (t_.halt.weight_OI.defined()) {
        if (linear(normed_D, t_.halt).sigmoid().item<double>() > a_.halt_threshold) return;
      }
      if (step > 0) next_D = a_.feed_normed ? normed_D : hidden_D;
      if (t_.trace_BND.defined()) t_.trace_BND[b_][step].copy_(next_D);
      const int64_t position = t_.stored_B[b_] + step;
      at::Tensor x_D = next_D;
      if (t_.positions_PD.defined()) x_D = x_D + t_.positions_PD[position];
      for (LoopLayerTensors& layer : t_.block) x_D = block(x_D, layer, position);
      t_.hidden_BD[b_].copy_(rounded(x_D));
      t_.steps_B[b_] = step + 1;
    }
  }

 private:
  at::Tensor rounded(const at::Tensor& x) const { return x.to(stored_as_).to(x.scalar_type()); }

  at::Tensor norm(const at::Tensor& x, const LoopNormTensors& norm) const {
    if (!norm.weight_D.defined()) return x;
    return a_.layer_norm ? at::layer_norm(x, {x.size(-1)}, norm.weight_D, norm.bias_D, a_.eps) : rms(x, norm, a_.eps);
  }

  at::Tensor mlp(const at::Tensor& x, const LoopLayerTensors& layer) const {
    const at::Tensor up = linear(x, layer.up);
    if (!a_.gated) return linear(activate(up, a_.activation), layer.down);
    const auto parts = up.chunk(2, -1);
    return linear(activate(parts[0], a_.activation) * parts[1], layer.down);
  }

  at::Tensor block(const at::Tensor& x, LoopLayerTensors& layer, int64_t position) const {
    const at::Tensor mixed =
        x + norm(attention(norm(x, layer.attention_norm), layer, position), layer.attention_post_norm);
    const at::Tensor fed = mlp(norm(a_.parallel ? x : mixed, layer.mlp_norm), layer);
    return norm(mixed + norm(fed, layer.mlp_post_norm), layer.stream_norm);
  }

  at::Tensor rotated(const at::Tensor& x_HE, int64_t position) const {
    const int64_t size = a_.rotary_size;
    if (size == 0) return x_HE;
    const at::Tensor part = x_HE.narrow(-1, 0, size);
    at::Tensor turned;
    if (a_.rotary_interleaved) {
      const at::Tensor pairs = part.unflatten(-1, {size / 2, 2});
      turned = at::stack({-pairs.select(-1, 1), pairs.select(-1, 0)}, -1).flatten(-2);
    } else {
      turned = at::cat({-part.narrow(-1, size / 2, size / 2), part.narrow(-1, 0, size / 2)}, -1);
    }
    const at::Tensor out = part * t_.cos_PE[position] + turned * t_.sin_PE[position];
    return at::cat({out, x_HE.narrow(-1, size, x_HE.size(-1) - size)}, -1);
  }

  at::Tensor attention(const at::Tensor& x, LoopLayerTensors& layer, int64_t position) const {
    const int64_t H = a_.heads, G = a_.kv_heads, E = a_.head_size;
    const auto parts = linear(x, layer.query_key_value).split_with_sizes({H * E, G * E, G * E});
    const auto prepared = [&](const at::Tensor& heads, const LoopNormTensors& head_norm) {
      return rotated(head_norm.weight_D.defined() ? rms(heads, head_norm, a_.eps) : heads, position);
    };
    const at::Tensor q_HE = prepared(parts[0].view({H, E}), layer.query_norm);
    at::Tensor k_GE = prepared(parts[1].view({G, E}), layer.key_norm);
    if (layer.smear_G.defined()) {
      const at::Tensor left_GE = layer.last_k_BGE[b_].clone();
      layer.last_k_BGE[b_].copy_(rounded(k_GE));
      k_GE = k_GE + layer.smear_G.unsqueeze(1) * (left_GE - k_GE);
    }
    layer.k_BGCE[b_].select(1, position).copy_(rounded(k_GE));
    layer.v_BGCE[b_].select(1, position).copy_(rounded(parts[2].view({G, E})));
    const auto seen = [&](const at::Tensor& kept_BGCE) {
      return kept_BGCE[b_].narrow(1, 0, position + 1).repeat_interleave(H / G, 0);
    };
    const at::Tensor scores_H1S =
        at::matmul(q_HE.unsqueeze(1) * a_.attention_scale, seen(layer.k_BGCE).transpose(1, 2));
    return linear(at::matmul(at::softmax(scores_H1S, -1), seen(layer.v_BGCE)).reshape({H * E}), layer.out);
  }

  LatentLoopTensors& t_;
  const LatentLoopArgs& a_;
  at::ScalarType stored_as_;
  int64_t b_;
};

}  // namespace

void latent_loop_reference(LatentLoopTensors& tensors, at::ScalarType stored_as) {
  const int64_t rows = tensors.x_BD.size(0);
  tensors.steps_B.assign(rows, 0);
  for (int64_t b = 0; b < rows; ++b) {
    if (tensors.active_B.empty() || tensors.active_B[b] != 0) Row(tensors, stored_as, b).run();
  }
}

}  // namespace tacit
