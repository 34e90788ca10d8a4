#include "lib/model/of_columns.h"

#include <vector>

namespace tacit {

at::Tensor of_columns(const at::Tensor& x, int64_t dim, const at::Tensor& columns) {
  if (!columns.defined()) return x;
  if (columns.dim() == 1) return x.index_select(dim, columns);
  std::vector<int64_t> shape(x.dim(), 1);
  shape[0] = columns.size(0);
  shape[dim] = columns.size(1);
  return at::take_along_dim(x, columns.view(shape), dim);
}

}  // namespace tacit
