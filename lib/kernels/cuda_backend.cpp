#include "lib/kernels/cuda_backend.h"

#include <ATen/Context.h>
#include <dlfcn.h>

namespace tacit {

bool enable_cuda() {
  // Found through the run path to LibTorch. It registers itself when loaded and stays loaded.
  static const bool loaded = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr;
  return loaded && at::hasCUDA() && at::getNumGPUs() > 0;
}

}  // namespace tacit
