#include "lib/kernels/layer_norm/layer_norm.h"

#include <cmath>

#include "lib/core/error.h"

namespace tacit {
namespace {

void check(const LayerNormArgs& args) {
  constexpr auto kName = "layer_norm";
  require(args.rows >= 0 && args.size >= 1, kName, "expected x_ND of at least 0 rows and size 1 but got [", args.rows,
          ", ", args.size, "]");
  require(std::isfinite(args.eps) && args.eps >= 0, kName, "expected a finite eps >= 0 but got ", args.eps);
  if (args.rows == 0) return;
  const char* missing = !args.x_ND ? "x_ND" : !args.weight_D ? "weight_D" : !args.y_ND ? "y_ND" : nullptr;
  require(!missing, kName, "expected x_ND, weight_D and y_ND but ", missing ? missing : "", " is null");
  require(!args.sum_ND || args.residual_ND, kName, "expected no sum_ND without a residual_ND");
  require(args.sum_ND != args.y_ND, kName, "expected sum_ND and y_ND to be different arrays");
}

}  // namespace

void layer_norm(const LayerNormArgs& args, const Place& place) {
  check(args);
  if (args.rows == 0) return;
  switch (place.device) {
    case DeviceKind::cpu: return layer_norm_cpu(args);
    case DeviceKind::cuda: return layer_norm_cuda(args, place.stream);
  }
}

}  // namespace tacit
