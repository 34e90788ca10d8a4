#include "lib/core/error.h"
#include "lib/kernels/log_linear_state/log_linear_state.h"

namespace tacit {

void log_linear_state_cuda(const LogLinearStateArgs&, void*) { fail("log_linear_state", "this build has no CUDA"); }

}  // namespace tacit
