#include "lib/kernels/packed_linear/packed_linear.h"

#include <cstring>

#include "lib/core/error.h"
#include "lib/kernels/packed_linear/packed_panels.h"

namespace tacit {
namespace {

constexpr auto kName = "packed_linear";

void check(const PackedLinearArgs& args) {
  require(args.rows >= 0 && args.outputs >= 1 && args.inputs >= 1, kName,
          "expected at least 0 rows, 1 output and 1 input but got ", args.rows, ", ", args.outputs, " and ",
          args.inputs);
  if (args.rows == 0) return;
  const char* missing = !args.weight_OI ? "weight_OI" : !args.x_MI ? "x_MI" : !args.y_MO ? "y_MO" : nullptr;
  require(!missing, kName, "expected weight_OI, x_MI and y_MO but ", missing ? missing : "", " is null");
  require(args.x_MI != args.y_MO, kName, "expected x_MI and y_MO to be different arrays");
}

}  // namespace

void packed_linear(const PackedLinearArgs& args, const Place& place) {
  check(args);
  if (args.rows == 0) return;
  switch (place.device) {
    case DeviceKind::cpu: return packed_linear_cpu(args);
    case DeviceKind::cuda:
      require(args.format == WeightFormat::scalar, kName, "expected weights in fp32 or bf16 on CUDA but got int8");
      return packed_linear_cuda(args, place.stream);
  }
}

int64_t packed_linear_bytes(int64_t outputs, int64_t inputs, Scalar scalar, WeightFormat format) {
  return (outputs + kPanel - 1) / kPanel * panel_bytes(inputs, panel_kind(scalar, format));
}

}  // namespace tacit
