#include "lib/kernels/expert_routing/expert_routing_reference.h"
#include "lib/kernels/tensors.h"
#include "lib/model/sublayer.h"

namespace tacit {
namespace {

// Routed experts beside one that every token takes. A token's result depends on that token alone: experts have no
// capacity, and what a token's experts found is summed in the order of its own choice.
class Experts : public Sublayer {
 public:
  Experts(const ModelConfig& c, const TakeWeight& take) : config_(c.experts) {
    choice_ = {.chosen = config_.chosen,
               .groups = config_.groups,
               .chosen_groups = config_.chosen_groups,
               .sigmoid = config_.sigmoid,
               .normalised = config_.normalised,
               .scale = config_.scale};
    router_XD_ = take("router.weight", {config_.count, c.hidden_size});
    if (config_.correction_bias) correction_X_ = take("router.correction", {config_.count});
    ModelConfig one = c;
    const auto mlp = [&](const std::string& name, int64_t size) {
      one.mlp_size = size;
      return make_mlp(one, [&](const std::string& weight, const std::vector<int64_t>& shape) {
        return take(name + "." + weight, shape);
      });
    };
    for (int64_t e = 0; e < config_.count; ++e) {
      experts_.push_back(mlp("experts." + std::to_string(e), config_.mlp_size));
    }
    if (config_.shared_mlp_size > 0) shared_ = mlp("shared", config_.shared_mlp_size);
  }

  at::Tensor operator()(const at::Tensor& x_BTD, int64_t layer, Pass& pass) const override {
    const at::Tensor x_ND = x_BTD.flatten(0, 1), logits_NX = logits(x_ND);
    const bool by_kernel = takes_kernel(x_ND);
    const at::Tensor correction_X = correction_X_.defined() ? correction_X_.detach().to(at::kFloat) : correction_X_;
    const ExpertRouting routing = by_kernel ? expert_routing_by_kernel(logits_NX, correction_X, choice_)
                                            : expert_routing_reference(logits_NX, correction_X, choice_);
    const at::Tensor found_MD = ask(x_ND, routing, layer, pass);
    const at::Tensor sum_ND =
        by_kernel ? expert_sum_by_kernel(found_MD, routing) : expert_sum_reference(found_MD, routing);
    const at::Tensor out_BTD = sum_ND.view_as(x_BTD);
    return shared_ ? out_BTD + (*shared_)(x_BTD, layer, pass) : out_BTD;
  }

 private:
  // In fp32, except that Mixtral's product is of the model's dtype, as in transformers.
  at::Tensor logits(const at::Tensor& x_ND) const {
    return config_.sigmoid ? at::linear(x_ND.to(at::kFloat), router_XD_.to(at::kFloat))
                           : at::linear(x_ND, router_XD_).to(at::kFloat);
  }

  // What the experts make of their tokens, in the order of experts [choices, D]: every expert runs once.
  at::Tensor ask(const at::Tensor& x_ND, const ExpertRouting& routing, int64_t layer, Pass& pass) const {
    const at::Tensor sorted_MD = x_ND.index_select(0, routing.token_M);
    std::vector<at::Tensor> found;
    for (int64_t e = 0; e < config_.count; ++e) {
      const int64_t begin = routing.begin_X1[e], count = routing.begin_X1[e + 1] - begin;
      if (count > 0) found.push_back((*experts_[e])(sorted_MD.narrow(0, begin, count), layer, pass));
    }
    return found.size() == 1 ? found[0] : at::cat(found);
  }

  ExpertsConfig config_;
  ExpertChoice choice_;
  at::Tensor router_XD_;     // X: experts
  at::Tensor correction_X_;  // undefined = none
  std::vector<std::unique_ptr<Sublayer>> experts_;
  std::unique_ptr<Sublayer> shared_;
};

}  // namespace

std::unique_ptr<Sublayer> make_experts(const ModelConfig& config, const TakeWeight& take) {
  return std::make_unique<Experts>(config, take);
}

}  // namespace tacit
