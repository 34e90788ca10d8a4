#include "lib/kernels/cuda_backend.h"

#include <ATen/Context.h>
#include <dlfcn.h>

namespace tacit {

std::string why_no_cuda() {
  // Found through the run path to LibTorch. It registers itself when loaded and stays loaded.
  static const std::string failure = [] {
    if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr) return std::string();
    const char* error = dlerror();
    return "LibTorch's CUDA half cannot be loaded: " + std::string(error ? error : "no reason given");
  }();
  if (!failure.empty()) return failure;
  return at::hasCUDA() && at::getNumGPUs() > 0 ? "" : "this machine has no CUDA device that LibTorch finds";
}

bool enable_cuda() { return why_no_cuda().empty(); }

}  // namespace tacit
