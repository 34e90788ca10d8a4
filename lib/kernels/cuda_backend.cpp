#include "lib/kernels/cuda_backend.h"

#include <ATen/Context.h>
#include <dlfcn.h>

namespace tacit {

std::string_view why_no_cuda() {
  // Found through the run path to LibTorch. It registers itself when loaded and stays loaded.
  static const bool loaded = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr;
  if (!loaded || !at::hasCUDA()) return "LibTorch has no CUDA half here (libtorch_cuda.so)";
  return at::getNumGPUs() > 0 ? "" : "this machine has no CUDA device that LibTorch finds";
}

bool enable_cuda() { return why_no_cuda().empty(); }

}  // namespace tacit
