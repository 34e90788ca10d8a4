#pragma once

namespace tacit {

// Loads LibTorch's CUDA half into the process, once; without it tensors live on the CPU only.
// -> whether a CUDA device can be used now: LibTorch was built with CUDA and a device is there.
bool enable_cuda();

}  // namespace tacit
