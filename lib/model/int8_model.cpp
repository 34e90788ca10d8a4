#include "lib/model/int8_model.h"

#include <ATen/core/grad_mode.h>

#include "lib/core/error.h"
#include "lib/kernels/int8_rows.h"
#include "lib/model/fused_model.h"
#include "lib/model/slots.h"
#include "lib/model/transformer.h"

namespace tacit {

std::shared_ptr<const Transformer> int8_model(const Transformer& model) {
  const at::NoGradGuard no_grad;
  const std::string_view reason = why_not_fused(model);
  require(reason.empty(), "int8_model", "expected a model whose steps can read int8 but ", reason);
  require(model.device().is_cpu() || model.dtype() == at::kBFloat16, "int8_model",
          "expected dtype bf16 beside int8 weights on CUDA but got ", model.dtype());
  std::map<std::string, at::Tensor> weights = model.weights();
  for (int64_t layer = 0; layer < model.config().layers; ++layer) {
    for (const char* name : {"query", "key", "value", "out", "gate", "up", "down"}) {
      const auto found = weights.find(slots::in_layer(layer, std::string(name) + ".weight"));
      if (found != weights.end()) found->second = from_int8(to_int8(found->second), model.dtype());
    }
  }
  return std::make_shared<const Transformer>(model, std::move(weights), WeightFormat::int8);
}

}  // namespace tacit
