#include "lib/core/error.h"
#include "lib/kernels/log_linear_state/log_linear_state.h"
#include "lib/kernels/log_linear_state/log_linear_state_reference.h"
#include "lib/kernels/tensors.h"

namespace tacit {

at::Tensor log_linear_state_in_place(const LogLinearColumns& c, const at::Tensor& state_BLHEE) {
  constexpr auto kName = "log_linear_state";
  require(state_BLHEE.is_contiguous() && state_BLHEE.scalar_type() == at::kFloat, kName,
          "expected a contiguous state of Float but got ", c10::toString(state_BLHEE.scalar_type()));
  const at::Tensor query = c.query_BTHE.contiguous(), key = c.key_BTHE.contiguous(), value = c.value_BTHE.contiguous(),
                   decay = c.decay_BTH.contiguous(), weight = c.weight_BTHL.contiguous(),
                   position = c.position_BT.contiguous(), y_BTHE = at::empty_like(query);
  const at::Tensor real = c.real_BT.defined() ? c.real_BT.contiguous() : c.real_BT;
  log_linear_state({.rows = query.size(0),
                    .columns = query.size(1),
                    .heads = query.size(2),
                    .size = query.size(3),
                    .levels = weight.size(3),
                    .query_BTHE = query.const_data_ptr<float>(),
                    .key_BTHE = key.const_data_ptr<float>(),
                    .value_BTHE = value.const_data_ptr<float>(),
                    .decay_BTH = decay.const_data_ptr<float>(),
                    .weight_BTHL = weight.const_data_ptr<float>(),
                    .position_BT = position.const_data_ptr<int64_t>(),
                    .real_BT = real.defined() ? real.const_data_ptr<bool>() : nullptr,
                    .state_BLHEE = state_BLHEE.mutable_data_ptr<float>(),
                    .y_BTHE = y_BTHE.mutable_data_ptr<float>()},
                   kernel_place(state_BLHEE, kName));
  return y_BTHE;
}

}  // namespace tacit
