#pragma once

#include "lib/kernels/expert_routing/expert_routing.h"
#include "lib/kernels/expert_routing/expert_routing_reference.h"
#include "lib/kernels/tensors.h"
#include "tests/support/kernel_checks.h"

namespace tacit::test {

struct RoutingShape {
  int64_t tokens, experts;
  ExpertChoice choice;
  bool corrected = false;
};
inline const RoutingShape kRoutingShapes[] = {
    {1, 8, {.chosen = 2}},
    {70, 8, {.chosen = 2}},
    {5, 7, {.chosen = 3, .normalised = false, .scale = 0.5}},
    {9, 3, {.chosen = 3}},
    {4, 1, {.chosen = 1}},
    {70, 256, {.chosen = 8, .groups = 8, .chosen_groups = 4, .sigmoid = true, .scale = 2.5}, true},
    {3, 12, {.chosen = 4, .groups = 3, .chosen_groups = 2, .sigmoid = true}, true},
    {6, 1000, {.chosen = 20, .sigmoid = true, .normalised = false}, true},
};

// One call on fresh random numbers against the twin in fp64. Scores are so far apart that no choice is a matter of
// rounding.
inline void check_expert_routing(const KernelTolerance& entry, const RoutingShape& s, int64_t offset = 0) {
  GuardedInputs make(at::TensorOptions(entry.device).dtype(at::kFloat), offset);
  const GuardedInputs indices(at::TensorOptions(entry.device).dtype(at::kLong), offset);
  CAPTURE(make.seed());
  CAPTURE(s.tokens);
  CAPTURE(s.experts);
  const int64_t N = s.tokens, X = s.experts, C = s.choice.chosen;
  // A shuffled ladder a token: no two scores are equal.
  const at::Tensor rung_NX = make.normal({N, X})
                                 .argsort(/*dim=*/int64_t{1}, /*descending=*/false)
                                 .argsort(/*dim=*/int64_t{1}, /*descending=*/false)
                                 .to(at::kDouble);
  const Guarded logits = make.of((rung_NX + 0.5) * (4.0 / static_cast<double>(X)) - 2),
                correction = make.of(at::full({X}, 0.25, at::kDouble)), weight = make.empty({N, C});
  const Guarded expert = indices.empty({N, C}), token = indices.empty({N * C}), where = indices.empty({N, C}),
                begin = indices.empty({X + 1});
  const ExpertRouting want = expert_routing_reference(
      logits.tensor().to(at::kDouble), s.corrected ? correction.tensor().to(at::kDouble) : at::Tensor(), s.choice);
  const auto data = [](const Guarded& x) { return static_cast<int64_t*>(x.data()); };
  expert_routing({.tokens = N,
                  .experts = X,
                  .chosen = C,
                  .groups = s.choice.groups,
                  .chosen_groups = s.choice.chosen_groups,
                  .sigmoid = s.choice.sigmoid,
                  .normalised = s.choice.normalised,
                  .scale = static_cast<float>(s.choice.scale),
                  .logits_NX = static_cast<const float*>(logits.data()),
                  .correction_X = s.corrected ? static_cast<const float*>(correction.data()) : nullptr,
                  .expert_NC = data(expert),
                  .weight_NC = static_cast<float*>(weight.data()),
                  .token_M = data(token),
                  .place_NC = data(where),
                  .begin_X1 = data(begin)},
                 kernel_place(logits.tensor(), "test"));
  CHECK(at::equal(expert.tensor(), want.expert_NC));
  CHECK(scaled_error(weight.tensor(), want.weight_NC) <= entry.most);
  CHECK(at::equal(token.tensor(), want.token_M));
  CHECK(at::equal(where.tensor(), want.place_NC));
  CHECK(at::equal(begin.tensor().to(at::kCPU), at::tensor(want.begin_X1, at::kLong)));
  for (const Guarded* array : {&logits, &correction, &weight, &expert, &token, &where, &begin}) CHECK(array->intact());
}

inline void check_expert_sum(const KernelTolerance& entry, int64_t tokens, int64_t chosen, int64_t size,
                             int64_t offset = 0) {
  GuardedInputs make(at::TensorOptions(entry.device).dtype(entry.dtype), offset);
  CAPTURE(make.seed());
  CAPTURE(tokens);
  CAPTURE(size);
  const Guarded found = make.of(make.normal({tokens * chosen, size})), y = make.empty({tokens, size});
  ExpertRouting routing;
  routing.weight_NC = make.normal({tokens, chosen}).abs().to(entry.device, at::kFloat);
  routing.place_NC = make.normal({tokens * chosen}).argsort().view({tokens, chosen}).to(entry.device);
  expert_sum({.tokens = tokens,
              .chosen = chosen,
              .size = size,
              .scalar = kernel_scalar(found.tensor(), "test"),
              .found_MD = found.data(),
              .weight_NC = routing.weight_NC.const_data_ptr<float>(),
              .place_NC = routing.place_NC.const_data_ptr<int64_t>(),
              .y_ND = y.data()},
             kernel_place(found.tensor(), "test"));
  routing.weight_NC = routing.weight_NC.to(at::kDouble);
  CHECK(rounding_error(entry.dtype, y.tensor(), expert_sum_reference(found.tensor().to(at::kDouble), routing)) <=
        entry.most);
  CHECK(found.intact());
  CHECK(y.intact());
}

inline void check_expert_kernels_everywhere(at::DeviceType device) {
  for (const RoutingShape& s : kRoutingShapes) check_expert_routing({device, at::kFloat, 1e-6}, s);
  check_expert_routing({device, at::kFloat, 1e-6}, kRoutingShapes[0], /*offset=*/3);
  for (const auto& [dtype, most] : {std::pair{at::kFloat, 1e-6}, {at::kBFloat16, 0.0040}}) {
    for (const int64_t size : {1, 7, 64, 1031}) {
      check_expert_sum({device, dtype, most}, 5, 3, size);
      check_expert_sum({device, dtype, most}, 1, 1, size);
    }
    check_expert_sum({device, dtype, most}, 300, 8, 96, /*offset=*/3);
  }
}

}  // namespace tacit::test
