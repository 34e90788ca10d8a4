#include "lib/kernels/expert_routing/expert_routing.h"

#include "lib/core/error.h"
#include "lib/kernels/require_arrays.h"

namespace tacit {

void expert_routing(const ExpertRoutingArgs& a, const Place& place) {
  constexpr auto kName = "expert_routing";
  constexpr int64_t kMaxExperts = 1024;
  require(a.tokens >= 0, kName, "expected at least 0 tokens but got ", a.tokens);
  require(a.experts >= 1 && a.experts <= kMaxExperts, kName, "expected 1 to ", kMaxExperts, " experts but got ",
          a.experts);
  require(a.chosen >= 1 && a.chosen <= a.experts, kName, "expected 1 to ", a.experts, " chosen experts but got ",
          a.chosen);
  require(a.groups >= 1 && a.experts % a.groups == 0, kName, "expected groups that divide ", a.experts,
          " experts but got ", a.groups);
  require(a.groups == 1 || a.experts / a.groups >= 2, kName, "expected at least 2 experts a group but got 1");
  require(a.chosen_groups >= 1 && a.chosen_groups <= a.groups, kName, "expected 1 to ", a.groups,
          " chosen groups but got ", a.chosen_groups);
  if (a.tokens == 0) return;
  require_arrays(kName, {{"logits_NX", a.logits_NX},
                         {"expert_NC", a.expert_NC},
                         {"weight_NC", a.weight_NC},
                         {"token_M", a.token_M},
                         {"place_NC", a.place_NC},
                         {"begin_X1", a.begin_X1}});
  switch (place.device) {
    case DeviceKind::cpu: return expert_routing_cpu(a);
    case DeviceKind::cuda: return expert_routing_cuda(a, place.stream);
  }
}

void expert_sum(const ExpertSumArgs& a, const Place& place) {
  constexpr auto kName = "expert_sum";
  require(a.tokens >= 0 && a.chosen >= 1 && a.size >= 1, kName,
          "expected at least 0 tokens, 1 choice and size 1 but got [", a.tokens, ", ", a.chosen, ", ", a.size, "]");
  if (a.tokens == 0) return;
  require_arrays(kName,
                 {{"found_MD", a.found_MD}, {"weight_NC", a.weight_NC}, {"place_NC", a.place_NC}, {"y_ND", a.y_ND}});
  switch (place.device) {
    case DeviceKind::cpu: return expert_sum_cpu(a);
    case DeviceKind::cuda: return expert_sum_cuda(a, place.stream);
  }
}

}  // namespace tacit
