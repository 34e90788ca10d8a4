#include <cstdint>

#include "lib/core/error.h"
#include "lib/kernels/cuda_numbers.cuh"
#include "lib/kernels/rwkv7_state/rwkv7_state.h"

namespace tacit {
namespace {

constexpr int kWarps = 4;  // of a block
constexpr int kRows = 4;   // of the state in a warp

// A warp holds kRows rows of one state in registers, lane l their columns l, l + 32, .., and takes them through all
// columns of the segment. Rows of a state need no other, so warps need not meet.
template <int kParts>
__global__ void rwkv7_state_kernel(Rwkv7StateArgs a) {
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t head = blockIdx.x, b = head / a.heads, h = head % a.heads;
  const int64_t first = (static_cast<int64_t>(blockIdx.y) * kWarps + warp) * kRows;
  if (first >= a.size) return;
  float* rows = a.state_BHEE + (head * a.size + first) * a.size;
  float state[kRows][kParts];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int p = 0; p < kParts; ++p) {
      const int64_t j = lane + p * kWarp;
      state[r][p] = first + r < a.size && j < a.size ? rows[r * a.size + j] : 0.0f;
    }
  }
  for (int64_t t = 0; t < a.columns; ++t) {
    const int64_t offset = ((b * a.columns + t) * a.heads + h) * a.size;
    if (a.real_BT && !a.real_BT[b * a.columns + t]) {
      if (lane < kRows && first + lane < a.size) a.y_BTHE[offset + first + lane] = 0.0f;
      continue;
    }
    float stood[kRows] = {}, found[kRows] = {}, removed[kParts];
#pragma unroll
    for (int p = 0; p < kParts; ++p) {
      const int64_t j = lane + p * kWarp;
      removed[p] = j < a.size ? a.removed_BTHE[offset + j] : 0.0f;
#pragma unroll
      for (int r = 0; r < kRows; ++r) stood[r] += state[r][p] * removed[p];
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) stood[r] = warp_total(stood[r]);
#pragma unroll
    for (int p = 0; p < kParts; ++p) {
      const int64_t j = lane + p * kWarp;
      const bool inside = j < a.size;
      const float decay = inside ? a.decay_BTHE[offset + j] : 0.0f, key = inside ? a.key_BTHE[offset + j] : 0.0f;
      const float rate_removed = inside ? a.rate_removed_BTHE[offset + j] : 0.0f;
      const float receptance = inside ? a.receptance_BTHE[offset + j] : 0.0f;
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        const float value = first + r < a.size ? a.value_BTHE[offset + first + r] : 0.0f;
        state[r][p] = state[r][p] * decay - stood[r] * rate_removed + value * key;
        found[r] += state[r][p] * receptance;
      }
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const float y = warp_total(found[r]);
      if (lane == r && first + r < a.size) a.y_BTHE[offset + first + r] = y;
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int p = 0; p < kParts; ++p) {
      const int64_t j = lane + p * kWarp;
      if (first + r < a.size && j < a.size) rows[r * a.size + j] = state[r][p];
    }
  }
}

}  // namespace

void rwkv7_state_cuda(const Rwkv7StateArgs& a, void* stream) {
  constexpr int64_t kMaxSize = 128, kMaxBlocks = INT32_MAX;
  require(a.size <= kMaxSize, "rwkv7_state", "expected heads of at most ", kMaxSize, " on cuda but got ", a.size);
  require(a.rows * a.heads <= kMaxBlocks, "rwkv7_state", "expected at most ", kMaxBlocks, " rows times heads but got ",
          a.rows * a.heads);
  const dim3 grid(static_cast<unsigned>(a.rows * a.heads),
                  static_cast<unsigned>((a.size + kWarps * kRows - 1) / (kWarps * kRows)));
  const auto queue = static_cast<cudaStream_t>(stream);
  if (a.size <= kWarp) {
    rwkv7_state_kernel<1><<<grid, kWarp * kWarps, 0, queue>>>(a);
  } else if (a.size <= 2 * kWarp) {
    rwkv7_state_kernel<2><<<grid, kWarp * kWarps, 0, queue>>>(a);
  } else {
    rwkv7_state_kernel<4><<<grid, kWarp * kWarps, 0, queue>>>(a);
  }
  const cudaError_t error = cudaGetLastError();
  require(error == cudaSuccess, "rwkv7_state", "CUDA could not start [", a.rows, ", ", a.columns, ", ", a.heads, ", ",
          a.size, "]: ", cudaGetErrorString(error));
}

}  // namespace tacit
