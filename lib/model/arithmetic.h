#pragma once

#include <string>

#include "lib/core/json.h"
#include "lib/model/transformer.h"

namespace tacit {

// "fp32", "bf16", "fp16", "fp64"
std::string dtype_name(at::ScalarType dtype);
// In what numbers a model computes: {"dtype": "bf16", "weights": "int8"}, where "weights" is "dtype" when all are
// alike.
OrderedJson arithmetic_json(const Transformer& model);
// As a remark behind a title: ", bf16, weights in int8"; "" for plain fp32 and for what is not known. Of
// arithmetic_json(), or of any object with its fields.
std::string arithmetic_remark(const OrderedJson& json);

}  // namespace tacit
