#include "lib/kernels/rwkv7_state/rwkv7_state_tensors.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "lib/core/error.h"
#include "lib/kernels/rwkv7_state/rwkv7_state.h"
#include "lib/kernels/tensors.h"
#include "lib/kernels/twins_only.h"

namespace tacit {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr auto kRwkv7State = "rwkv7_state";
constexpr int64_t kCheckpointEvery = 16;  // columns; 17 states of [64, 64] just fit a second-level cache

// Columns as the kernel reads them; holds the tensors whose memory the arguments point to.
struct Call {
  std::vector<at::Tensor> inputs;
  at::Tensor real_BT;
  Rwkv7StateArgs args;

  Call(const variable_list& columns, const at::Tensor& real) {
    for (const at::Tensor& x : columns) inputs.push_back(x.contiguous());
    if (real.defined()) real_BT = real.contiguous();
    const auto data = [&](size_t i) { return inputs[i].const_data_ptr<float>(); };
    args = {.rows = inputs[0].size(0),
            .columns = inputs[0].size(1),
            .heads = inputs[0].size(2),
            .size = inputs[0].size(3),
            .receptance_BTHE = data(0),
            .decay_BTHE = data(1),
            .key_BTHE = data(2),
            .value_BTHE = data(3),
            .removed_BTHE = data(4),
            .rate_removed_BTHE = data(5),
            .real_BT = real.defined() ? real_BT.const_data_ptr<bool>() : nullptr};
  }
  int64_t checkpoints() const { return (args.columns + kCheckpointEvery - 1) / kCheckpointEvery; }
};

variable_list in_order(const Rwkv7Columns& c) {
  return {c.receptance_BTHE, c.decay_BTHE, c.key_BTHE, c.value_BTHE, c.removed_BTHE, c.rate_removed_BTHE};
}

struct Rwkv7StateFunction : torch::autograd::Function<Rwkv7StateFunction> {
  // -> y, the last state
  static variable_list forward(AutogradContext* context, const at::Tensor& receptance, const at::Tensor& decay,
                               const at::Tensor& key, const at::Tensor& value, const at::Tensor& removed,
                               const at::Tensor& rate_removed, const at::Tensor& state_BHEE,
                               const std::optional<at::Tensor>& real_BT) {
    Call call({receptance, decay, key, value, removed, rate_removed}, real_BT.value_or(at::Tensor()));
    const at::Tensor last_BHEE = state_BHEE.clone(at::MemoryFormat::Contiguous),
                     y_BTHE = at::empty_like(call.inputs[0]);
    const at::Tensor checkpoints = at::empty(
        {call.args.rows, call.args.heads, call.checkpoints(), call.args.size, call.args.size}, last_BHEE.options());
    call.args.state_BHEE = last_BHEE.mutable_data_ptr<float>();
    call.args.y_BTHE = y_BTHE.mutable_data_ptr<float>();
    call.args.checkpoints_BHNEE = checkpoints.mutable_data_ptr<float>();
    call.args.checkpoint_every = kCheckpointEvery;
    rwkv7_state(call.args, {});
    variable_list saved = call.inputs;
    saved.push_back(checkpoints);
    saved.push_back(call.real_BT);
    context->save_for_backward(saved);
    return {y_BTHE, last_BHEE};
  }

  static variable_list backward(AutogradContext* context, const variable_list& given) {
    require(!at::GradMode::is_enabled(), "rwkv7_state_backward", "expected no request for second derivatives");
    const variable_list saved = context->get_saved_variables();
    Call call({saved.begin(), saved.begin() + 6}, saved[7]);
    call.args.checkpoints_BHNEE = saved[6].mutable_data_ptr<float>();
    call.args.checkpoint_every = kCheckpointEvery;
    const at::Tensor d_y = given[0].defined() ? given[0].contiguous() : at::zeros_like(call.inputs[0]);
    const at::Tensor d_last = given[1].defined() ? given[1].contiguous() : at::Tensor();
    variable_list out;
    for (const at::Tensor& x : call.inputs) out.push_back(at::empty_like(x));
    out.push_back(at::empty({call.args.rows, call.args.heads, call.args.size, call.args.size}, d_y.options()));
    const auto data = [&](size_t i) { return out[i].mutable_data_ptr<float>(); };
    rwkv7_state_backward({.forward = call.args,
                          .d_y_BTHE = d_y.const_data_ptr<float>(),
                          .d_last_state_BHEE = d_last.defined() ? d_last.const_data_ptr<float>() : nullptr,
                          .d_receptance_BTHE = data(0),
                          .d_decay_BTHE = data(1),
                          .d_key_BTHE = data(2),
                          .d_value_BTHE = data(3),
                          .d_removed_BTHE = data(4),
                          .d_rate_removed_BTHE = data(5),
                          .d_first_state_BHEE = data(6)},
                         {});
    out.push_back(at::Tensor());  // real_BT has none
    return out;
  }
};

}  // namespace

Rwkv7Found rwkv7_state_differentiable(const Rwkv7Columns& c, const at::Tensor& state_BHEE, const at::Tensor& real_BT) {
  if (TwinsOnly::any() || !c.key_BTHE.is_cpu() || c.key_BTHE.scalar_type() != at::kFloat) {
    return rwkv7_state_reference(c, state_BHEE, real_BT);
  }
  const auto real = real_BT.defined() ? std::optional(real_BT) : std::nullopt;
  const variable_list found = Rwkv7StateFunction::apply(c.receptance_BTHE, c.decay_BTHE, c.key_BTHE, c.value_BTHE,
                                                        c.removed_BTHE, c.rate_removed_BTHE, state_BHEE, real);
  return {found[0], found[1]};
}

at::Tensor rwkv7_state_in_place(const Rwkv7Columns& c, const at::Tensor& state_BHEE, const at::Tensor& real_BT) {
  require(state_BHEE.is_contiguous() && state_BHEE.scalar_type() == at::kFloat, kRwkv7State,
          "expected a contiguous state of Float but got ", c10::toString(state_BHEE.scalar_type()));
  Call call(in_order(c), real_BT);
  const at::Tensor y_BTHE = at::empty_like(call.inputs[0]);
  call.args.state_BHEE = state_BHEE.mutable_data_ptr<float>();
  call.args.y_BTHE = y_BTHE.mutable_data_ptr<float>();
  rwkv7_state(call.args, kernel_place(state_BHEE, kRwkv7State));
  return y_BTHE;
}

}  // namespace tacit
