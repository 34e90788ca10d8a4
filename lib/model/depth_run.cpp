#include "lib/model/depth_run.h"

namespace tacit {

bool leaves_early(const ModelConfig& c, const DepthExit& exit) {
  if (c.nested.high_cycles > 0) return false;
  const double threshold = exit.threshold < 0 ? c.depth.exit_threshold : exit.threshold;
  return (c.depth.recurrent && exit.kl > 0) || (c.depth.exit_gate && threshold < 1);
}

}  // namespace tacit
