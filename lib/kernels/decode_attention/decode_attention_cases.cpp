#include "lib/kernels/decode_attention/decode_attention.h"
#include "lib/kernels/kernel_case.h"
#include "lib/kernels/tensors.h"

namespace tacit {

// One thought of GPT-2 after a question of 512 tokens, alone and in a batch. The twin is LibTorch's fused attention.
std::vector<KernelCase> decode_attention_cases(const Place& place, const std::string&) {
  std::vector<KernelCase> out;
  constexpr int64_t H = 12, E = 64, C = 512;
  constexpr float scale = 0.125f;
  const auto device = place.device == DeviceKind::cpu ? at::kCPU : at::kCUDA;
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    for (const int64_t B : {1, 16}) {
      const auto options = at::TensorOptions(device).dtype(dtype);
      const at::Tensor q = at::randn({B, H, E}, options), k = at::randn({B, H, C, E}, options);
      const at::Tensor v = at::randn({B, H, C, E}, options), y = at::empty_like(q);
      const at::Tensor stored = at::full({B}, C, at::TensorOptions(device).dtype(at::kLong));
      const auto run = [=] {
        decode_attention({.rows = B,
                          .heads = H,
                          .kv_heads = H,
                          .key_size = E,
                          .value_size = E,
                          .columns = C,
                          .scalar = kernel_scalar(q, "decode_attention"),
                          .scale = scale,
                          .q_BHE = q.const_data_ptr(),
                          .k_BGCE = k.const_data_ptr(),
                          .v_BGCE = v.const_data_ptr(),
                          .stored_B = stored.const_data_ptr<int64_t>(),
                          .y_BHE = y.data_ptr()},
                         place);
      };
      const auto twin = [=] {
        at::scaled_dot_product_attention(q.unsqueeze(2), k, v, /*attn_mask=*/{}, /*dropout_p=*/0.0,
                                         /*is_causal=*/false, scale);
      };
      out.push_back({.name = "decode_attention " + std::string(dtype == at::kFloat ? "fp32" : "bf16") + " [" +
                             std::to_string(B) + ", 12, 64] over 512",
                     .bytes = static_cast<double>(k.nbytes() + v.nbytes() + 2 * q.nbytes()),
                     .flops = 4.0 * static_cast<double>(B * H * C * E),
                     .run = run,
                     .twin = twin});
    }
  }
  return out;
}

}  // namespace tacit
