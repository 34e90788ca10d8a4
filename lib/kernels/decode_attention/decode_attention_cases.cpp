#include "lib/kernels/decode_attention/decode_attention_backward.h"
#include "lib/kernels/kernel_case.h"
#include "lib/kernels/tensors.h"

namespace tacit {
namespace {

constexpr int64_t H = 12, E = 64, C = 512;
constexpr float kScale = 0.125f;

struct Position {
  at::Tensor q_BHE, k_BHCE, v_BHCE, y_BHE, stored_B;
};

Position position(int64_t B, const at::TensorOptions& options) {
  const at::Tensor q = at::randn({B, H, E}, options);
  return {.q_BHE = q,
          .k_BHCE = at::randn({B, H, C, E}, options),
          .v_BHCE = at::randn({B, H, C, E}, options),
          .y_BHE = at::empty_like(q),
          .stored_B = at::full({B}, C, options.dtype(at::kLong))};
}

DecodeAttentionArgs forward_args(const Position& p) {
  return {.rows = p.q_BHE.size(0),
          .heads = H,
          .kv_heads = H,
          .key_size = E,
          .value_size = E,
          .columns = C,
          .scalar = kernel_scalar(p.q_BHE, "decode_attention"),
          .scale = kScale,
          .q_BHE = p.q_BHE.const_data_ptr(),
          .k_BGCE = p.k_BHCE.const_data_ptr(),
          .v_BGCE = p.v_BHCE.const_data_ptr(),
          .stored_B = p.stored_B.const_data_ptr<int64_t>(),
          .y_BHE = p.y_BHE.data_ptr()};
}

// The twin is LibTorch's fused attention.
KernelCase forward_case(const Position& p, const Place& place, const std::string& size) {
  return {.name = "decode_attention " + size,
          .bytes = static_cast<double>(p.k_BHCE.nbytes() + p.v_BHCE.nbytes() + 2 * p.q_BHE.nbytes()),
          .flops = 4.0 * static_cast<double>(p.k_BHCE.numel()),
          .run = [=] { decode_attention(forward_args(p), place); },
          .twin =
              [=] {
                at::scaled_dot_product_attention(p.q_BHE.unsqueeze(2), p.k_BHCE, p.v_BHCE, /*attn_mask=*/{},
                                                 /*dropout_p=*/0.0, /*is_causal=*/false, kScale);
              }};
}

// Gradients of keys and values are added to, so that they are read as well. The twin is the formula, product by
// product.
KernelCase backward_case(const Position& p, const std::string& size) {
  const at::Tensor dy = at::randn_like(p.q_BHE), dq = at::empty_like(p.q_BHE);
  const at::Tensor dk = at::zeros_like(p.k_BHCE), dv = at::zeros_like(p.v_BHCE);
  const auto run = [=] {
    decode_attention_backward({.forward = forward_args(p),
                               .dy_BHE = dy.const_data_ptr(),
                               .dq_BHE = dq.data_ptr(),
                               .dk_BGCE = dk.data_ptr(),
                               .dv_BGCE = dv.data_ptr()});
  };
  const auto twin = [=] {
    const at::Tensor q = p.q_BHE.unsqueeze(2), dy_row = dy.unsqueeze(2);  // [B, H, 1, E]
    const at::Tensor shares = at::softmax(q.matmul(p.k_BHCE.mT()) * kScale, -1);
    const at::Tensor dscores = at::_softmax_backward_data(dy_row.matmul(p.v_BHCE.mT()), shares, -1, q.scalar_type());
    dq.copy_((dscores * kScale).matmul(p.k_BHCE).squeeze(2));
    dk.add_((dscores * kScale).mT().matmul(q));
    dv.add_(shares.mT().matmul(dy_row));
  };
  return {.name = "decode_attention_backward " + size,
          .bytes = static_cast<double>(3 * (p.k_BHCE.nbytes() + p.v_BHCE.nbytes()) + 3 * p.q_BHE.nbytes()),
          .flops = 10.0 * static_cast<double>(p.k_BHCE.numel()),
          .run = run,
          .twin = twin};
}

}  // namespace

// One thought of GPT-2 after a question of 512 tokens, alone and in a batch; and, on the CPU, its gradient.
std::vector<KernelCase> decode_attention_cases(const Place& place, const std::string&) {
  std::vector<KernelCase> out;
  const bool cpu = place.device == DeviceKind::cpu;
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    for (const int64_t B : {1, 16}) {
      const Position p = position(B, at::TensorOptions(cpu ? at::kCPU : at::kCUDA).dtype(dtype));
      const std::string size =
          std::string(dtype == at::kFloat ? "fp32" : "bf16") + " [" + std::to_string(B) + ", 12, 64] over 512";
      out.push_back(forward_case(p, place, size));
      if (cpu) out.push_back(backward_case(p, size));
    }
  }
  return out;
}

}  // namespace tacit
