#pragma once

#include <memory>
#include <vector>

#include "lib/kernels/huge_pages.h"
#include "lib/kernels/latent_loop/latent_loop_reference.h"

namespace tacit {

// LatentLoopArgs over the tensors of a LatentLoopTensors, which are of the storage dtype (cos, sin and smear fp32) and
// all of one device: packs weights on the CPU, moves the lists of rows to a GPU. For tests and timings; a model packs
// by itself. The tensors must outlive it.
class LoopCall {
 public:
  explicit LoopCall(LatentLoopTensors& tensors);
  void run();  // again and again: what is in and out goes on from where it is
  const LatentLoopArgs& args() const { return args_; }
  void fetch_steps();  // steps_B of the last run, to the tensors

 private:
  LoopLinear linear(const LoopLinearTensors& layer, WeightFormat format);
  const int64_t* list(const std::vector<int64_t>& numbers);

  LatentLoopTensors& tensors_;
  LatentLoopArgs args_;
  std::vector<LoopLayer> block_;
  std::vector<std::unique_ptr<HugePages>> packed_;
  std::vector<at::Tensor> kept_;
  at::Tensor steps_B_;
};

}  // namespace tacit
