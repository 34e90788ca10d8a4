#pragma once

#include <ATen/ATen.h>

namespace tacit {

// Columns of x along a dimension: those that `columns` (int64) names for every row [N] or for each [B, N], where rows
// are x's first dimension. Undefined = all.
at::Tensor of_columns(const at::Tensor& x, int64_t dim, const at::Tensor& columns);

}  // namespace tacit
