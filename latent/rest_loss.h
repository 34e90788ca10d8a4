#pragma once

#include <ATen/ATen.h>

#include "latent/passes.h"

namespace tacit {

// Hidden states after the final norm: of the thoughts as the model makes them, and before each token of the rest.
struct Hidden {
  at::Tensor thoughts_BKD;  // undefined without thoughts
  at::Tensor before_BTD;    // position t predicts rest token t
};

// Every thought fed back as it came, with gradient.
Hidden run_through_thoughts(Passes& passes, const Batch& batch);

// Of a batch's trained predictions, on its device.
struct RestLoss {
  at::Tensor total;     // mean cross entropy, fp32 with gradient
  at::Tensor accuracy;  // share that the model would have said
};
RestLoss rest_loss(const Transformer& model, const Batch& batch, const at::Tensor& before_BTD);

}  // namespace tacit
