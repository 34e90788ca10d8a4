#include "lib/kernels/bf16_gemm/bf16_gemm.h"

#include "lib/core/error.h"
#include "lib/kernels/bf16_gemm/tiles.h"

namespace tacit {
namespace {

constexpr auto kName = "bf16_gemm";

void check(const Bf16Matrix& matrix, const char* name) {
  require(matrix.data, kName, "expected ", name, " but it is null");
  require(matrix.row_stride == 1 || matrix.column_stride == 1, kName, "expected ", name,
          " to have a stride of 1 but got ", matrix.row_stride, " between rows and ", matrix.column_stride,
          " between columns");
}

}  // namespace

bool has_bf16_gemm() { return has_tiles(); }

void bf16_gemm(const Bf16GemmArgs& args) {
  require(args.rows >= 0 && args.columns >= 0 && args.depth >= 1, kName,
          "expected at least 0 rows and columns and a depth of 1 but got ", args.rows, ", ", args.columns, " and ",
          args.depth);
  if (args.rows == 0 || args.columns == 0) return;
  check(args.a_MK, "a_MK");
  check(args.b_KN, "b_KN");
  require(args.y_MN, kName, "expected y_MN but it is null");
  require(args.y_MN != args.a_MK.data && args.y_MN != args.b_KN.data, kName,
          "expected y_MN to be another array than a_MK and b_KN");
  require(has_bf16_gemm(), kName, "expected a CPU with AMX tiles for bf16, which the system lets this process use");
  bf16_gemm_cpu(args);
}

}  // namespace tacit
