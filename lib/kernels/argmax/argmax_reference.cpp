#include "lib/kernels/argmax/argmax_reference.h"

namespace tacit {

// at::argmax() says the same in two and a half times the time.
at::Tensor argmax_reference(const at::Tensor& x_NV) { return std::get<1>(x_NV.max(-1)); }

}  // namespace tacit
