#include "lib/kernels/kernel_case.h"
#include "lib/kernels/prompt_attention/prompt_attention.h"
#include "lib/kernels/tensors.h"

namespace tacit {

// GPT-2's attention over sixteen questions of 330 tokens and over one. The twin is LibTorch's fused attention, with a
// mask. FLOPs are those of columns that are seen.
std::vector<KernelCase> prompt_attention_cases(const Place& place, const std::string& match) {
  std::vector<KernelCase> out;
  if (place.device != DeviceKind::cpu) return out;
  constexpr int64_t H = 12, T = 330, E = 64;
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    for (const int64_t B : {1, 16}) {
      const std::string name = std::string("prompt_attention ") + (dtype == at::kFloat ? "fp32" : "bf16") + " [" +
                               std::to_string(B) + ", 12, 330, 64]";
      if (name.find(match) == std::string::npos) continue;
      const at::Tensor q = at::randn({B, T, H, E}, dtype).transpose(1, 2), k = at::randn({B, H, T, E}, dtype),
                       v = at::randn({B, H, T, E}, dtype), y = at::empty({B, T, H, E}, dtype),
                       seen = (at::arange(T, at::kLong) + 1).expand({B, T}).contiguous(),
                       mask = (at::arange(T, at::kLong) < seen.unsqueeze(2)).unsqueeze(1);
      const auto strides = [](const at::Tensor& x) {
        return PromptAttentionArgs::Strides{x.stride(0), x.stride(1), x.stride(2)};
      };
      const auto run = [=] {
        prompt_attention({.rows = B,
                          .heads = H,
                          .kv_heads = H,
                          .queries = T,
                          .key_size = E,
                          .value_size = E,
                          .scalar = kernel_scalar(q, "prompt_attention"),
                          .scale = 0.125f,
                          .q_BHTE = q.const_data_ptr(),
                          .k_BGSE = k.const_data_ptr(),
                          .v_BGSE = v.const_data_ptr(),
                          .q = strides(q),
                          .k = strides(k),
                          .v = strides(v),
                          .seen_BT = seen.const_data_ptr<int64_t>(),
                          .y_BTHE = y.data_ptr()});
      };
      out.push_back({.name = name,
                     .bytes = static_cast<double>(q.nbytes() + k.nbytes() + v.nbytes() + y.nbytes()),
                     .flops = 4.0 * static_cast<double>(seen.sum().item<int64_t>() * H * E),
                     .run = run,
                     .twin = [=] { at::scaled_dot_product_attention(q, k, v, mask, 0.0, false, 0.125); }});
    }
  }
  return out;
}

}  // namespace tacit
