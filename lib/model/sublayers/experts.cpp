#include "lib/model/sublayer.h"

namespace tacit {
namespace {

// Which experts each token takes, and with what weight.
struct Routing {
  at::Tensor expert_NC;  // int64 [tokens, chosen]
  at::Tensor weight_NC;  // fp32
};

// Routed experts beside one that every token takes. A token's result depends on that token alone: experts have no
// capacity, and what a token's experts found is summed in the order of its own choice.
class Experts : public Sublayer {
 public:
  Experts(const ModelConfig& c, const TakeWeight& take) : config_(c.experts) {
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
    const at::Tensor x_ND = x_BTD.flatten(0, 1);
    const Routing routing = route(x_ND);
    const at::Tensor found_NCD = ask(x_ND, routing.expert_NC, layer, pass);
    const at::Tensor sum_ND = (found_NCD * routing.weight_NC.unsqueeze(2)).sum(1);  // fp32, as the weights
    const at::Tensor out_BTD = sum_ND.to(x_BTD.scalar_type()).view_as(x_BTD);
    return shared_ ? out_BTD + (*shared_)(x_BTD, layer, pass) : out_BTD;
  }

 private:
  // In fp32, except that Mixtral's product is of the model's dtype, as in transformers.
  Routing route(const at::Tensor& x_ND) const {
    const at::Tensor affinity_NX = config_.sigmoid
                                       ? at::linear(x_ND.to(at::kFloat), router_XD_.to(at::kFloat)).sigmoid()
                                       : at::linear(x_ND, router_XD_).to(at::kFloat).softmax(-1);
    const at::Tensor expert_NC = choose(affinity_NX.detach());
    at::Tensor weight_NC = affinity_NX.gather(1, expert_NC);
    if (config_.normalised) weight_NC = weight_NC / (weight_NC.sum(1, /*keepdim=*/true) + 1e-20);
    return {expert_NC, weight_NC * config_.scale};
  }

  at::Tensor choose(const at::Tensor& affinity_NX) const {
    at::Tensor score_NX = affinity_NX;
    if (correction_X_.defined()) score_NX = score_NX + correction_X_.detach().to(at::kFloat);
    if (config_.groups > 1) {
      const at::Tensor by_group_NGX = score_NX.unflatten(1, {config_.groups, -1});
      const at::Tensor group_score_NG = std::get<0>(by_group_NGX.topk(2)).sum(2);
      const at::Tensor group_NC = std::get<1>(group_score_NG.topk(config_.chosen_groups));
      const at::Tensor kept_NG = at::zeros_like(group_score_NG, at::kBool).scatter(1, group_NC, true);
      // 0, not -inf, as in transformers: an expert outside still comes before one inside whose score is negative.
      score_NX = by_group_NGX.masked_fill(kept_NG.logical_not().unsqueeze(2), 0).flatten(1);
    }
    return std::get<1>(score_NX.topk(config_.chosen));
  }

  // What each token's experts make of it [tokens, chosen, D]: the tokens sorted by expert, every expert run once over
  // its own.
  at::Tensor ask(const at::Tensor& x_ND, const at::Tensor& expert_NC, int64_t layer, Pass& pass) const {
    const at::Tensor expert_N = expert_NC.flatten();
    const at::Tensor order_N = expert_N.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
    const at::Tensor place_N = order_N.argsort();  // where each choice went
    const at::Tensor count_X = at::bincount(expert_N, {}, config_.count).to(at::kCPU);
    const at::Tensor sorted_ND = x_ND.index_select(0, order_N.floor_divide(config_.chosen));
    std::vector<at::Tensor> found;
    int64_t begin = 0;
    for (int64_t e = 0; e < config_.count; ++e) {
      const int64_t count = count_X.const_data_ptr<int64_t>()[e];
      if (count > 0) found.push_back((*experts_[e])(sorted_ND.narrow(0, begin, count), layer, pass));
      begin += count;
    }
    return at::cat(found).index_select(0, place_N).unflatten(0, {x_ND.size(0), config_.chosen});
  }

  ExpertsConfig config_;
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
