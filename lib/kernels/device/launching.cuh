#pragma once

#include <cuda_runtime.h>

#include <string_view>

#include "lib/core/error.h"

// Host code that the .cu files share.
namespace tacit::device {

// Fails with `operation` unless the call went well; `doing` completes "CUDA could not".
inline void cuda_require(cudaError_t error, std::string_view operation, std::string_view doing) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // an error that is told is not told again
  fail(operation, "CUDA could not ", doing, ": ", cudaGetErrorString(error));
}

inline int device_attribute(cudaDeviceAttr attribute, std::string_view operation) {
  int device = 0, value = 0;
  cuda_require(cudaGetDevice(&device), operation, "name the current device");
  cuda_require(cudaDeviceGetAttribute(&value, attribute, device), operation, "describe the device");
  return value;
}

// Fails unless the array lies in memory that the device reads.
inline void require_on_device(const void* array, const char* name, std::string_view operation) {
  cudaPointerAttributes attributes = {};
  cuda_require(cudaPointerGetAttributes(&attributes, array), operation, "look up an array");
  require(attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged, operation, "expected ",
          name, " in the memory of the CUDA device but it is the host's");
}

}  // namespace tacit::device
