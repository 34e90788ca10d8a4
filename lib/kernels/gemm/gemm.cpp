#include "lib/kernels/gemm/gemm.h"

#include "lib/core/error.h"
#include "lib/kernels/cpu_vectors.h"
#include "lib/kernels/gemm/tiles.h"

namespace tacit {
namespace {

constexpr auto kName = "gemm";

void check(const GemmMatrix& matrix, const char* name) {
  require(matrix.data, kName, "expected ", name, " but it is null");
  require(matrix.row_stride == 1 || matrix.column_stride == 1, kName, "expected ", name,
          " to have a stride of 1 but got ", matrix.row_stride, " between rows and ", matrix.column_stride,
          " between columns");
}

}  // namespace

bool has_gemm(GemmPath path, Scalar type) {
  if (path == GemmPath::tiles) return type == Scalar::bf16 && has_tiles();
  return cpu_vectors() != CpuVectors::plain;
}

std::optional<GemmPath> fast_gemm(Scalar type) {
  if (has_gemm(GemmPath::tiles, type)) return GemmPath::tiles;
  if (cpu_vectors() == CpuVectors::avx2) return GemmPath::avx2;
  return std::nullopt;
}

void gemm(GemmPath path, const GemmArgs& args) {
  require(args.rows >= 0 && args.columns >= 0 && args.depth >= 1, kName,
          "expected at least 0 rows and columns and a depth of 1 but got ", args.rows, ", ", args.columns, " and ",
          args.depth);
  if (args.rows == 0 || args.columns == 0) return;
  check(args.a_MK, "a_MK");
  check(args.b_KN, "b_KN");
  require(args.y_MN, kName, "expected y_MN but it is null");
  require(args.y_MN != args.a_MK.data && args.y_MN != args.b_KN.data, kName,
          "expected y_MN to be another array than a_MK and b_KN");
  if (path == GemmPath::tiles) {
    require(has_gemm(path, args.type), kName,
            "expected bf16 and a CPU with AMX tiles for it, which the system lets this process use");
    return tiles_gemm_cpu(args);
  }
  require(has_gemm(path, args.type), kName, "expected a CPU with AVX2 and fused multiply-adds");
  avx2_gemm_cpu(args);
}

}  // namespace tacit
