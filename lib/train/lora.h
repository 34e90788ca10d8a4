#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tacit {

// Low-rank adaptation [LoRA, arXiv:2106.09685]: W = W0 + alpha / rank * B A, where only A and B are trained.
struct LoraOptions {
  int64_t rank = 0;   // 0 = off
  double alpha = 16;  // scale of the product, divided by the rank
  // Matrices by the last part of their slot's name without ".weight" (lib/model/slots.h): "query" is every layer's, and
  // "layers.1.query" one layer's.
  std::vector<std::string> targets = {"query", "value"};
  uint64_t seed = 0;  // of A
};

// Factors [by slot: "lora/SLOT.a" [rank, in], drawn from N(0, 1/in); "lora/SLOT.b" [out, rank], 0], leaves in fp32 on
// the weights' device. Fails on a target that names no matrix and on a rank above a matrix's smaller side.
std::map<std::string, at::Tensor> lora_factors(const std::map<std::string, at::Tensor>& weights,
                                               const LoraOptions& options);

// The weights with each product added; gradient flows to the factors and to no weight.
std::map<std::string, at::Tensor> lora_merged(const std::map<std::string, at::Tensor>& weights,
                                              const std::map<std::string, at::Tensor>& factors,
                                              const LoraOptions& options);

}  // namespace tacit
