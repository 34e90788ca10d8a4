#include "lib/model/recompute.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include "lib/core/error.h"
#include "lib/kernels/twins_only.h"

namespace tacit {
namespace {

using torch::autograd::collect_next_edges;
using torch::autograd::create_gradient_edge;
using torch::autograd::deleteNode;
using torch::autograd::Node;
using torch::autograd::variable_list;

struct SegmentRun {
  std::shared_ptr<const Transformer> model;
  std::shared_ptr<StaticTrainingMemory> memory;
  int64_t segment = 0;
  at::Tensor x, position, wanted_N;
  variable_list carried;  // into the segment
};

bool can_have_gradient(const at::Tensor& x) { return x.defined() && at::isFloatingType(x.scalar_type()); }

// Inputs: x, the chain, what is carried in, the weights. Outputs: the hidden states, the chain, what is carried out.
class RecomputedSegment : public Node {
 public:
  RecomputedSegment(SegmentRun run, variable_list weights) : run_(std::move(run)), weights_(std::move(weights)) {}

  variable_list apply(variable_list&& gradients) override {
    require(!at::GradMode::is_enabled(), "backward",
            "expected first derivatives only, but the gradient is to be differentiated again; take the plain path");
    require(run_.x.defined(), "backward", "expected to run backward once but got a second time; retain the graph");
    const at::AutoGradMode with_gradient(true);
    const auto leaf = [](const at::Tensor& x) { return can_have_gradient(x) ? x.detach().requires_grad_(true) : x; };
    const at::Tensor x = leaf(run_.x);
    variable_list carried, inputs = {x};
    for (const at::Tensor& c : run_.carried) carried.push_back(leaf(c));
    run_.memory->reopen(run_.segment);
    run_.memory->set_carried(carried);
    at::Tensor hidden;
    {
      const TwinsOnly twins;  // as in the first pass
      hidden = run_.model->forward(x, run_.position, *run_.memory, {}, /*trace=*/nullptr, run_.wanted_N);
    }
    const variable_list carried_out = run_.memory->carried();

    variable_list outputs, output_gradients;
    const auto want = [&](const at::Tensor& output, const at::Tensor& gradient) {
      if (!gradient.defined() || !output.defined() || !output.requires_grad()) return;
      outputs.push_back(output);
      output_gradients.push_back(gradient);
    };
    want(hidden, gradients[0]);
    for (size_t i = 0; i < carried_out.size(); ++i) want(carried_out[i], gradients[2 + i]);
    // Later segments look at this one's keys and values, which lead to `hidden` only through the memory.
    if (!gradients[0].defined()) want(hidden, at::zeros_like(hidden));

    for (const at::Tensor& c : carried) {
      if (can_have_gradient(c)) inputs.push_back(c);
    }
    inputs.insert(inputs.end(), weights_.begin(), weights_.end());
    const variable_list found = torch::autograd::grad(outputs, inputs, output_gradients, /*retain_graph=*/false,
                                                      /*create_graph=*/false, /*allow_unused=*/true);
    run_.memory->reopen(run_.segment);  // lets go of the graph
    run_.memory->set_carried(run_.carried);

    variable_list out = {found[0], {}};
    size_t next = 1;
    for (const at::Tensor& c : carried) out.push_back(can_have_gradient(c) ? found[next++] : at::Tensor());
    out.insert(out.end(), found.begin() + static_cast<int64_t>(next), found.end());
    return out;
  }

  void release_variables() override {
    run_.x = at::Tensor();
    run_.carried.clear();
  }

 private:
  SegmentRun run_;
  variable_list weights_;
};

}  // namespace

at::Tensor forward_recomputed(const std::shared_ptr<const Transformer>& model,
                              const std::shared_ptr<StaticTrainingMemory>& memory, const at::Tensor& x,
                              const at::Tensor& position, at::Tensor& chain, const at::Tensor& wanted_N) {
  if (!at::GradMode::is_enabled()) return model->forward(x, position, *memory, {}, nullptr, wanted_N);
  const variable_list carried = memory->carried();
  variable_list weights, inputs = {x, chain};
  for (const auto& [name, weight] : model->weights()) {
    if (weight.requires_grad()) weights.push_back(weight);
  }
  inputs.insert(inputs.end(), carried.begin(), carried.end());
  inputs.insert(inputs.end(), weights.begin(), weights.end());

  at::Tensor hidden, next;
  variable_list carried_out;
  {
    const at::NoGradGuard no_grad;
    const TwinsOnly
        twins;  // kernels without a backward pass must not make it another pass than the one that is run again
    hidden = model->forward(x, position, *memory, {}, nullptr, wanted_N);
    carried_out = memory->carried();
    next = at::zeros({}, x.options());
  }
  SegmentRun run{model, memory, memory->segment(), x.detach(), position, wanted_N, {}};
  for (const at::Tensor& c : carried) run.carried.push_back(c.defined() ? c.detach() : c);
  std::shared_ptr<Node> node(new RecomputedSegment(std::move(run), std::move(weights)), deleteNode);
  node->set_next_edges(collect_next_edges(inputs));
  create_gradient_edge(hidden, node);
  create_gradient_edge(next, node);
  for (at::Tensor& c : carried_out) {
    if (c.defined()) c = c.detach();  // a state that no block wrote may be shared
    if (can_have_gradient(c)) {
      create_gradient_edge(c, node);
    } else {
      node->add_input_metadata(Node::undefined_input());
    }
  }
  memory->set_carried(carried_out);
  chain = next;
  return hidden;
}

}  // namespace tacit
