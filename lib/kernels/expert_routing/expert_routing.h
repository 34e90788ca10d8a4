#pragma once

#include <cstdint>

#include "lib/kernels/types.h"

namespace tacit {

// Which of X experts each of N tokens takes, with what weight, and the choices sorted by expert [Mixtral,
// arXiv:2401.04088; DeepSeek-V3, arXiv:2412.19437, equations 12 to 16 and section 2.1.2]:
//
//   affinity = softmax(logits) over the experts, or the logistic function of each
//   score    = affinity + correction, for the choice alone; 0 outside the `chosen_groups` groups whose two best scores
//              sum highest
//   expert   = the `chosen` highest scores, the highest first; of equals the lower number first
//   weight   = affinity of the chosen, divided by their sum where normalised, times scale
//
// A token's result depends on that token alone. Choice m = n C + c.
struct ExpertRoutingArgs {
  int64_t tokens = 0;                     // N; 0 does nothing
  int64_t experts = 0, chosen = 0;        // X, at most 1024; C
  int64_t groups = 1, chosen_groups = 1;  // groups of equal size
  bool sigmoid = false;
  bool normalised = true;
  float scale = 1;
  const float* logits_NX = nullptr;
  const float* correction_X = nullptr;  // null = none
  int64_t* expert_NC = nullptr;
  float* weight_NC = nullptr;
  int64_t* token_M = nullptr;   // of every choice, in the order of experts and, within one, of tokens
  int64_t* place_NC = nullptr;  // where each choice stands in that order
  int64_t* begin_X1 = nullptr;  // [X + 1]: expert x has places begin[x] .. begin[x + 1] - 1
};

void expert_routing(const ExpertRoutingArgs& args, const Place& place);

// What the experts found, brought back: y_n = sum_c weight_n,c found_place(n,c), in the order of c, computed in fp32
// and rounded once.
struct ExpertSumArgs {
  int64_t tokens = 0, chosen = 0, size = 0;  // N, C, D
  Scalar scalar = Scalar::fp32;              // of found and y
  const void* found_MD = nullptr;            // in the order of experts
  const float* weight_NC = nullptr;
  const int64_t* place_NC = nullptr;
  void* y_ND = nullptr;
};

void expert_sum(const ExpertSumArgs& args, const Place& place);

// What these call once the arguments are checked.
void expert_routing_cpu(const ExpertRoutingArgs& args);
void expert_sum_cpu(const ExpertSumArgs& args);
void expert_routing_cuda(const ExpertRoutingArgs& args, void* stream);
void expert_sum_cuda(const ExpertSumArgs& args, void* stream);

}  // namespace tacit
