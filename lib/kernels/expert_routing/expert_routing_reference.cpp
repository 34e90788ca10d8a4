#include "lib/kernels/expert_routing/expert_routing_reference.h"

#include "lib/kernels/expert_routing/expert_routing.h"
#include "lib/kernels/tensors.h"

namespace tacit {
namespace {

at::Tensor choose(const at::Tensor& affinity_NX, const at::Tensor& correction_X, const ExpertChoice& e) {
  at::Tensor score_NX = affinity_NX;
  if (correction_X.defined()) score_NX = score_NX + correction_X.detach();
  if (e.groups > 1) {
    const at::Tensor by_group_NGX = score_NX.unflatten(1, {e.groups, -1});
    const at::Tensor group_score_NG = std::get<0>(by_group_NGX.topk(2)).sum(2);
    const at::Tensor group_NC = std::get<1>(group_score_NG.topk(e.chosen_groups));
    const at::Tensor kept_NG = at::zeros_like(group_score_NG, at::kBool).scatter(1, group_NC, true);
    // 0, not -inf, as in transformers: an expert outside still comes before one inside whose score is negative.
    score_NX = by_group_NGX.masked_fill(kept_NG.logical_not().unsqueeze(2), 0).flatten(1);
  }
  return std::get<1>(score_NX.topk(e.chosen));
}

}  // namespace

ExpertRouting expert_routing_reference(const at::Tensor& logits_NX, const at::Tensor& correction_X,
                                       const ExpertChoice& e) {
  const at::Tensor affinity_NX = e.sigmoid ? logits_NX.sigmoid() : logits_NX.softmax(-1);
  ExpertRouting out;
  out.expert_NC = choose(affinity_NX.detach(), correction_X, e);
  at::Tensor weight_NC = affinity_NX.gather(1, out.expert_NC);
  if (e.normalised) weight_NC = weight_NC / (weight_NC.sum(1, /*keepdim=*/true) + 1e-20);
  out.weight_NC = weight_NC * e.scale;
  const at::Tensor expert_M = out.expert_NC.flatten();
  const at::Tensor order_M = expert_M.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
  out.token_M = order_M.floor_divide(e.chosen);
  out.place_NC = order_M.argsort().view_as(out.expert_NC);
  const at::Tensor count_X = at::bincount(expert_M, {}, logits_NX.size(1)).to(at::kCPU);
  out.begin_X1 = {0};
  for (int64_t x = 0; x < logits_NX.size(1); ++x) {
    out.begin_X1.push_back(out.begin_X1.back() + count_X.const_data_ptr<int64_t>()[x]);
  }
  return out;
}

at::Tensor expert_sum_reference(const at::Tensor& found_MD, const ExpertRouting& routing) {
  const at::Tensor found_NCD = found_MD.index_select(0, routing.place_NC.flatten())
                                   .unflatten(0, {routing.place_NC.size(0), routing.place_NC.size(1)});
  return (found_NCD * routing.weight_NC.unsqueeze(2)).sum(1).to(found_MD.scalar_type());
}

ExpertRouting expert_routing_by_kernel(const at::Tensor& raw_logits_NX, const at::Tensor& raw_correction_X,
                                       const ExpertChoice& e) {
  const at::Tensor logits_NX = raw_logits_NX.contiguous();
  const at::Tensor correction_X = raw_correction_X.defined() ? raw_correction_X.contiguous() : raw_correction_X;
  const int64_t N = logits_NX.size(0), X = logits_NX.size(1);
  ExpertRouting out;
  const auto index = logits_NX.options().dtype(at::kLong);
  out.expert_NC = at::empty({N, e.chosen}, index);
  out.weight_NC = at::empty({N, e.chosen}, logits_NX.options());
  out.token_M = at::empty({N * e.chosen}, index);
  out.place_NC = at::empty({N, e.chosen}, index);
  out.begin_X1.assign(X + 1, 0);
  expert_routing({.tokens = N,
                  .experts = X,
                  .chosen = e.chosen,
                  .groups = e.groups,
                  .chosen_groups = e.chosen_groups,
                  .sigmoid = e.sigmoid,
                  .normalised = e.normalised,
                  .scale = static_cast<float>(e.scale),
                  .logits_NX = logits_NX.const_data_ptr<float>(),
                  .correction_X = correction_X.defined() ? correction_X.const_data_ptr<float>() : nullptr,
                  .expert_NC = out.expert_NC.mutable_data_ptr<int64_t>(),
                  .weight_NC = out.weight_NC.mutable_data_ptr<float>(),
                  .token_M = out.token_M.mutable_data_ptr<int64_t>(),
                  .place_NC = out.place_NC.mutable_data_ptr<int64_t>(),
                  .begin_X1 = out.begin_X1.data()},
                 {});
  return out;
}

at::Tensor expert_sum_by_kernel(const at::Tensor& raw_found_MD, const ExpertRouting& routing) {
  const at::Tensor found_MD = raw_found_MD.contiguous();
  const int64_t N = routing.place_NC.size(0), D = found_MD.size(1);
  const at::Tensor y_ND = at::empty({N, D}, found_MD.options());
  expert_sum({.tokens = N,
              .chosen = routing.place_NC.size(1),
              .size = D,
              .scalar = kernel_scalar(found_MD, "expert_sum"),
              .found_MD = found_MD.const_data_ptr(),
              .weight_NC = routing.weight_NC.const_data_ptr<float>(),
              .place_NC = routing.place_NC.const_data_ptr<int64_t>(),
              .y_ND = y_ND.mutable_data_ptr()},
             {});
  return y_ND;
}

}  // namespace tacit
