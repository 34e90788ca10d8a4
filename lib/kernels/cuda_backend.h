#pragma once

#include <string>

namespace tacit {

// Loads LibTorch's CUDA half into the process, once; without it tensors live on the CPU only.
// -> whether a CUDA device can be used now: LibTorch was built with CUDA and a device is there.
bool enable_cuda();

// What is missing, in words: "this machine has no CUDA device that LibTorch finds". Empty where enable_cuda().
std::string why_no_cuda();

}  // namespace tacit
