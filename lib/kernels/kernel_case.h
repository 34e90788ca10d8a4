#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lib/kernels/types.h"

namespace tacit {

// A kernel at one size, ready to be timed by `tacit bench kernels`.
struct KernelCase {
  std::string name;            // "rms_norm bf16 [8, 768]"
  double bytes = 0;            // that must be read and written
  double flops = 0;            // a multiply-add counts two
  std::function<void()> run;   // on CUDA: returns when the work is queued
  std::function<void()> twin;  // the same answer from tensor operations
};

// One a kernel, in lib/kernels/NAME/NAME_cases.cpp; kernel_cases.cpp lists them. Cases whose name lacks `match` may be
// left out, and are where they would take seconds to make.
std::vector<KernelCase> argmax_cases(const Place& place, const std::string& match);
std::vector<KernelCase> gemm_cases(const Place& place, const std::string& match);
std::vector<KernelCase> prompt_attention_cases(const Place& place, const std::string& match);
std::vector<KernelCase> decode_attention_cases(const Place& place, const std::string& match);
std::vector<KernelCase> latent_loop_cases(const Place& place, const std::string& match);
std::vector<KernelCase> packed_linear_cases(const Place& place, const std::string& match);
std::vector<KernelCase> expert_routing_cases(const Place& place, const std::string& match);
std::vector<KernelCase> gated_mlp_cases(const Place& place, const std::string& match);
std::vector<KernelCase> log_linear_state_cases(const Place& place, const std::string& match);
std::vector<KernelCase> rms_norm_cases(const Place& place, const std::string& match);
std::vector<KernelCase> rotary_cases(const Place& place, const std::string& match);
std::vector<KernelCase> rwkv7_state_cases(const Place& place, const std::string& match);

}  // namespace tacit
