#include "lib/model/depth_trace.h"

#include "lib/core/error.h"

namespace tacit {

at::Tensor exit_probabilities(const DepthTrace& trace) {
  require(!trace.gate.empty(), "exit_probabilities", "expected the trace of a model with an exit gate");
  at::Tensor left = at::ones_like(trace.gate[0], at::kFloat);
  std::vector<at::Tensor> leaves;
  for (size_t r = 0; r + 1 < trace.gate.size(); ++r) {
    leaves.push_back(left * trace.gate[r].to(at::kFloat).sigmoid());
    left = left - leaves.back();
  }
  leaves.push_back(left);
  return at::stack(leaves, -1);
}

at::Tensor exit_by_gate(const DepthTrace& trace, double threshold) {
  const at::Tensor gone_BTr = exit_probabilities(trace).detach().cumsum(-1) >= threshold;
  return first_settled(gone_BTr.unbind(-1));
}

at::Tensor nearly_same(const at::Tensor& before_BTV, const at::Tensor& after_BTV, double kl) {
  const at::Tensor before = at::log_softmax(before_BTV.detach(), -1, at::kFloat);
  const at::Tensor after = at::log_softmax(after_BTV.detach(), -1, at::kFloat);
  return (before.exp() * (before - after)).sum(-1) < kl;
}

at::Tensor first_settled(const std::vector<at::Tensor>& settled_BT) {
  at::Tensor settled_BTr = at::stack(settled_BT, -1);
  settled_BTr.select(-1, -1).fill_(true);
  return settled_BTr.to(at::kByte).argmax(-1) + 1;  // of equals the first
}

at::Tensor at_exit(const std::vector<at::Tensor>& output_BTD, const at::Tensor& exit_BT) {
  const at::Tensor output_BTrD = at::stack(output_BTD, 2);
  const at::Tensor index_BT11 = (exit_BT - 1).unsqueeze(-1).unsqueeze(-1);
  return output_BTrD.gather(2, index_BT11.expand({-1, -1, 1, output_BTrD.size(3)})).squeeze(2);
}

}  // namespace tacit
