#include "lib/kernels/latent_loop/loop_norm.h"

#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/cpu_rows.h"
#include "lib/kernels/latent_loop/loop_rows.h"

namespace tacit {

void loop_norm(const LoopNormArgs& args) {
  require(args.rows >= 0 && args.size >= 1, "loop_norm", "expected at least 0 rows of size 1 but got [", args.rows,
          ", ", args.size, "]");
  if (args.rows == 0) return;
  require(args.norm.weight && args.x_ND && args.y_ND, "loop_norm", "expected weight, x_ND and y_ND but one is null");
  std::vector<float> row(static_cast<size_t>(args.size));
  const int64_t bytes = args.size * (args.scalar == Scalar::fp32 ? 4 : 2);
  const RowNorm norm{args.scalar, args.layer_norm, args.eps, args.size, args.norm};
  for (int64_t n = 0; n < args.rows; ++n) {
    widen_row(args.scalar, args.size, static_cast<const char*>(args.x_ND) + n * bytes, row.data());
    norm_row(norm, row.data(), row.data());
    narrow_row(args.scalar, args.size, row.data(), static_cast<char*>(args.y_ND) + n * bytes);
  }
}

}  // namespace tacit
