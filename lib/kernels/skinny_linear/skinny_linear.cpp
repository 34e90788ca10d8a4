#include "lib/kernels/skinny_linear/skinny_linear.h"

#include "lib/core/error.h"

namespace tacit {

static void check(const SkinnyLinearArgs& args, bool takes_bias) {
  constexpr auto kName = "skinny_linear";
  require(args.rows >= 0 && args.rows <= kMostSkinnyRows, kName, "expected 0 to ", kMostSkinnyRows, " rows but got ",
          args.rows);
  require(args.outputs >= 1 && args.inputs >= 1, kName, "expected at least one output and one input but got ",
          args.outputs, " and ", args.inputs);
  if (args.rows == 0) return;
  const char* missing = !args.x ? "x" : !args.weight_OI ? "weight_OI" : !args.y ? "y" : nullptr;
  require(!missing, kName, "expected x, weight_OI and y but ", missing ? missing : "", " is null");
  require(args.x != args.y, kName, "expected x and y to be different arrays");
  require(takes_bias || !args.bias_O, kName, "expected no bias_O in the transposed product");
}

void skinny_linear(const SkinnyLinearArgs& args) {
  check(args, /*takes_bias=*/true);
  if (args.rows > 0) skinny_linear_cpu(args);
}

void skinny_linear_transposed(const SkinnyLinearArgs& args) {
  check(args, /*takes_bias=*/false);
  if (args.rows > 0) skinny_linear_transposed_cpu(args);
}

}  // namespace tacit
