#include <cstdint>

#include "lib/core/error.h"
#include "lib/kernels/cuda_numbers.cuh"
#include "lib/kernels/log_linear_state/log_linear_state.h"

namespace tacit {
namespace {

constexpr int kWarps = 4;  // of a block

__device__ int digits(int64_t x) { return 64 - __clzll(x); }

// A warp takes one row of one head's matrices through the segment, lane l their columns l, l + 32, .. A row needs no
// other, so warps need not meet. The levels lie in memory (a segment of thoughts is one column: each is read and
// written once), decayed at every position.
template <int kParts>
__global__ void log_linear_state_kernel(LogLinearStateArgs a) {
  const int lane = threadIdx.x % kWarp;
  const int64_t head = blockIdx.x, b = head / a.heads, h = head % a.heads;
  const int64_t i = static_cast<int64_t>(blockIdx.y) * kWarps + threadIdx.x / kWarp;
  if (i >= a.size) return;
  const int64_t stride = a.heads * a.size * a.size;  // of a level
  float* row = a.state_BLHEE + (b * a.levels * a.heads + h) * a.size * a.size + i * a.size;
  for (int64_t t = 0; t < a.columns; ++t) {
    const int64_t column = b * a.columns + t, offset = (column * a.heads + h) * a.size;
    if (a.real_BT && !a.real_BT[column]) {
      if (lane == 0) a.y_BTHE[offset + i] = 0.0f;
      continue;
    }
    const int64_t position = a.position_BT[column];
    const int merged = position > 0 ? digits(position ^ (position - 1)) : 0;
    const float kept = expf(a.decay_BTH[column * a.heads + h]);
    const float* weight = a.weight_BTHL + (column * a.heads + h) * a.levels;
    const float value = a.value_BTHE[offset + i];
    float found = 0;
#pragma unroll
    for (int p = 0; p < kParts; ++p) {
      const int64_t j = lane + p * kWarp;
      if (j >= a.size) continue;
      float sum = 0;
      for (int64_t l = 0; l < merged; ++l) {
        sum += row[l * stride + j];
        row[l * stride + j] = 0.0f;
      }
      sum *= kept;
      if (merged > 0) row[merged * stride + j] = sum;
      sum *= weight[merged];
      for (int64_t l = merged + 1; l < a.levels; ++l) {
        if (!(position >> (l - 1) & 1)) continue;
        const float decayed = row[l * stride + j] * kept;
        row[l * stride + j] = decayed;
        sum += weight[l] * decayed;
      }
      const float own = value * a.key_BTHE[offset + j];
      row[j] = own;
      found += (sum + weight[0] * own) * a.query_BTHE[offset + j];
    }
    found = warp_total(found);
    if (lane == 0) a.y_BTHE[offset + i] = found;
  }
}

}  // namespace

void log_linear_state_cuda(const LogLinearStateArgs& a, void* stream) {
  constexpr int64_t kMaxSize = 128, kMaxBlocks = INT32_MAX;
  require(a.size <= kMaxSize, "log_linear_state", "expected heads of at most ", kMaxSize, " on cuda but got ", a.size);
  require(a.rows * a.heads <= kMaxBlocks, "log_linear_state", "expected at most ", kMaxBlocks,
          " rows times heads but got ", a.rows * a.heads);
  const dim3 grid(static_cast<unsigned>(a.rows * a.heads), static_cast<unsigned>((a.size + kWarps - 1) / kWarps));
  const auto queue = static_cast<cudaStream_t>(stream);
  if (a.size <= kWarp) {
    log_linear_state_kernel<1><<<grid, kWarp * kWarps, 0, queue>>>(a);
  } else if (a.size <= 2 * kWarp) {
    log_linear_state_kernel<2><<<grid, kWarp * kWarps, 0, queue>>>(a);
  } else {
    log_linear_state_kernel<4><<<grid, kWarp * kWarps, 0, queue>>>(a);
  }
  const cudaError_t error = cudaGetLastError();
  require(error == cudaSuccess, "log_linear_state", "CUDA could not start [", a.rows, ", ", a.columns, ", ", a.heads,
          ", ", a.size, "]: ", cudaGetErrorString(error));
}

}  // namespace tacit
