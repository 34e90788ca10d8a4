#include "lib/kernels/gated_mlp/gated_mlp.h"

#include <string_view>

#include "lib/core/error.h"

namespace tacit {

void gated_mlp(const GatedMlpArgs& args, const Place& place) {
  constexpr auto kName = "gated_mlp";
  require(args.count >= 0, kName, "expected at least 0 elements but got ", args.count);
  if (args.count == 0) return;
  require(args.up_N && args.y_N, kName, "expected up_N and y_N but ", args.up_N ? "y_N" : "up_N", " is null");
  switch (place.device) {
    case DeviceKind::cpu: return gated_mlp_cpu(args);
    case DeviceKind::cuda: return gated_mlp_cuda(args, place.stream);
  }
}

void gated_mlp_backward(const GatedMlpBackwardArgs& args, const Place& place) {
  constexpr auto kName = "gated_mlp_backward";
  require(args.forward.count >= 0, kName, "expected at least 0 elements but got ", args.forward.count);
  if (args.forward.count == 0) return;
  const char* missing = !args.forward.up_N ? "up_N" : !args.d_y_N ? "d_y_N" : !args.d_up_N ? "d_up_N" : nullptr;
  require(!missing, kName, "expected up_N, d_y_N and d_up_N but ", missing ? missing : "", " is null");
  require((args.forward.gate_N != nullptr) == (args.d_gate_N != nullptr), kName,
          "expected d_gate_N where there is a gate_N, and only there");
  switch (place.device) {
    case DeviceKind::cpu: return gated_mlp_backward_cpu(args);
    case DeviceKind::cuda: return gated_mlp_backward_cuda(args, place.stream);
  }
}

}  // namespace tacit
