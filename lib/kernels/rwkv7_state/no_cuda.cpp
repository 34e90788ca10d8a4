#include "lib/core/error.h"
#include "lib/kernels/rwkv7_state/rwkv7_state.h"

namespace tacit {

void rwkv7_state_cuda(const Rwkv7StateArgs&, void*) { fail("rwkv7_state", "this build has no CUDA"); }

}  // namespace tacit
