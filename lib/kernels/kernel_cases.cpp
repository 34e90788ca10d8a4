#include "lib/kernels/kernel_cases.h"

#include <iterator>

namespace tacit {

std::vector<KernelCase> all_kernel_cases(const Place& place, const std::string& match) {
  std::vector<KernelCase> all;
  for (const auto cases : {rms_norm_cases, rotary_cases, gated_mlp_cases, packed_linear_cases, gemm_cases,
                           prompt_attention_cases, decode_attention_cases, latent_loop_cases, argmax_cases,
                           expert_routing_cases, rwkv7_state_cases, log_linear_state_cases}) {
    std::vector<KernelCase> of_kernel = cases(place, match);
    std::erase_if(of_kernel, [&](const KernelCase& entry) { return entry.name.find(match) == std::string::npos; });
    all.insert(all.end(), std::make_move_iterator(of_kernel.begin()), std::make_move_iterator(of_kernel.end()));
  }
  return all;
}

}  // namespace tacit
