#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

#include "lib/model/config.h"

namespace tacit {

// Hands out the weight of a slot (lib/model/slots.h) of the given shape. The parts of a model are built by asking for
// their weights, once to list them and once to bind them, so a part's weights are named in one place.
using TakeWeight = std::function<at::Tensor(const std::string& name, const std::vector<int64_t>& shape)>;

struct LinearLayer {
  at::Tensor weight_OI, bias_O;  // bias may be undefined
  at::Tensor operator()(const at::Tensor& x) const;
};
LinearLayer take_linear(const TakeWeight& take, const std::string& name, int64_t outputs, int64_t inputs, bool bias);

struct NormLayer {
  NormKind kind = NormKind::rms;
  double eps = 1e-5;
  at::Tensor weight_D, bias_D;  // undefined = 1, 0
  at::Tensor operator()(const at::Tensor& x) const;
};
NormLayer take_norm(const TakeWeight& take, const std::string& name, NormKind kind, int64_t size, double eps);

at::Tensor activate(const at::Tensor& x, Activation activation);

}  // namespace tacit
