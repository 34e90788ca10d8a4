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

at::Tensor hidden_at_exit(const DepthTrace& trace, double threshold) {
  at::Tensor gone_BTr = exit_probabilities(trace).detach().cumsum(-1) >= threshold;
  gone_BTr.select(-1, -1).fill_(true);
  const at::Tensor first_BT = gone_BTr.to(at::kByte).argmax(-1);  // of equals the first
  const at::Tensor hidden_BTrD = at::stack(trace.hidden_BTD, 2);
  const at::Tensor index_BT1D =
      first_BT.view({first_BT.size(0), first_BT.size(1), 1, 1}).expand({-1, -1, 1, hidden_BTrD.size(3)});
  return hidden_BTrD.gather(2, index_BT1D).squeeze(2);
}

}  // namespace tacit
