#include "lib/model/arithmetic.h"

namespace tacit {

std::string dtype_name(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat: return "fp32";
    case at::kBFloat16: return "bf16";
    case at::kHalf: return "fp16";
    case at::kDouble: return "fp64";
    default: return at::toString(dtype);
  }
}

OrderedJson arithmetic_json(const Transformer& model) {
  return {{"dtype", dtype_name(model.dtype())},
          {"weights", model.weight_format() == WeightFormat::int8 ? "int8" : "dtype"}};
}

std::string arithmetic_remark(const OrderedJson& json) {
  std::string out;
  if (!json.is_object()) return out;
  const OrderedJson dtype = json.value("dtype", OrderedJson());
  if (dtype.is_string() && dtype != "fp32") out += ", " + dtype.get<std::string>();
  if (json.value("weights", OrderedJson()) == "int8") out += ", weights in int8";
  return out;
}

}  // namespace tacit
