#include "latent/feedback.h"

namespace tacit {

const at::Tensor& StepState::hidden_BD(HiddenAt at) const {
  if (at == HiddenAt::before_norm) return hidden_BD_;
  if (!normed_BD_.defined()) normed_BD_ = model_->final_norm(hidden_BD_);
  return normed_BD_;
}

const at::Tensor& StepState::logits_BV() const {
  if (!logits_BV_.defined()) logits_BV_ = model_->logits(hidden_BD());
  return logits_BV_;
}

namespace feedback {

Feedback hidden(HiddenAt at) {
  return {at == HiddenAt::after_norm ? "hidden" : "hidden_before_norm", [at](const StepState& state) {
            return NextInput{state.hidden_BD(at), {}};
          }};
}

Feedback embed_argmax() {
  return {"embed_argmax", [](const StepState& state) {
            const at::Tensor ids_B = state.logits_BV().argmax(-1);
            const at::Tensor on_host = ids_B.to(at::kCPU).contiguous();
            const int64_t* ids = on_host.const_data_ptr<int64_t>();
            return NextInput{state.model().embed(ids_B), std::vector<int64_t>(ids, ids + state.rows())};
          }};
}

Feedback token(int64_t id) {
  return {"token", [id](const StepState& state) {
            const at::Tensor ids_B =
                at::full({state.rows()}, id, at::TensorOptions().dtype(at::kLong)).to(state.model().device());
            return NextInput{state.model().embed(ids_B), std::vector<int64_t>(state.rows(), id)};
          }};
}

}  // namespace feedback

}  // namespace tacit
