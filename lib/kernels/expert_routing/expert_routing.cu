#include <cfloat>
#include <cstdint>

#include "lib/core/error.h"
#include "lib/kernels/cuda_numbers.cuh"
#include "lib/kernels/expert_routing/expert_routing.h"

namespace tacit {
namespace {

constexpr int kMaxExperts = 1024;
constexpr int kWarps = 4;  // of a block: a token each
constexpr int kThreads = 256;

// The lane's best (score, place) becomes the warp's, given to all lanes; of equals the lower place.
__device__ void warp_best(float& score, int& place) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const float other_score = __shfl_xor_sync(0xffffffff, score, offset);
    const int other_place = __shfl_xor_sync(0xffffffff, place, offset);
    if (other_score > score || (other_score == score && other_place < place)) {
      score = other_score;
      place = other_place;
    }
  }
}

// The best of `values` that is not marked taken, which it then is.
__device__ int take_best(const float* values, bool* taken, int size, int lane) {
  float score = -FLT_MAX;
  int place = size;
  for (int i = lane; i < size; i += kWarp) {
    if (!taken[i] && (place == size || values[i] > score)) {
      score = values[i];
      place = i;
    }
  }
  warp_best(score, place);
  if (lane == 0 && place < size) taken[place] = true;
  __syncwarp();
  return place < size ? place : 0;  // none: scores that are no numbers
}

__global__ void route_kernel(ExpertRoutingArgs a) {
  extern __shared__ float shared[];
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, X = static_cast<int>(a.experts);
  const int64_t n = static_cast<int64_t>(blockIdx.x) * kWarps + warp;
  if (n >= a.tokens) return;
  float* affinity = shared + warp * 3 * X;
  float *score = affinity + X, *group_score = score + X;
  bool* taken = reinterpret_cast<bool*>(shared + kWarps * 3 * X) + warp * X;
  const float* logits = a.logits_NX + n * X;

  if (a.sigmoid) {
    for (int x = lane; x < X; x += kWarp) affinity[x] = 1 / (1 + expf(-logits[x]));
  } else {
    float top = -FLT_MAX, sum = 0;
    for (int x = lane; x < X; x += kWarp) top = fmaxf(top, logits[x]);
#pragma unroll
    for (int offset = kWarp / 2; offset > 0; offset /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffff, top, offset));
    for (int x = lane; x < X; x += kWarp) sum += affinity[x] = expf(logits[x] - top);
    sum = warp_total(sum);
    for (int x = lane; x < X; x += kWarp) affinity[x] /= sum;
  }
  for (int x = lane; x < X; x += kWarp) {
    score[x] = affinity[x] + (a.correction_X ? a.correction_X[x] : 0.0f);
    taken[x] = false;
  }
  __syncwarp();

  if (a.groups > 1) {
    const int groups = static_cast<int>(a.groups), size = X / groups;
    for (int g = lane; g < groups; g += kWarp) {
      float first = -FLT_MAX, second = -FLT_MAX;
      for (int i = 0; i < size; ++i) {
        const float value = score[g * size + i];
        if (value > first) {
          second = first;
          first = value;
        } else if (value > second) {
          second = value;
        }
      }
      group_score[g] = first + second;
    }
    __syncwarp();
    for (int c = 0; c < a.chosen_groups; ++c) take_best(group_score, taken, groups, lane);
    // 0, not -inf, as in transformers: an expert outside still comes before one inside whose score is negative.
    for (int x = lane; x < X; x += kWarp) {
      if (!taken[x / size]) score[x] = 0.0f;
    }
    __syncwarp();
    for (int x = lane; x < groups; x += kWarp) taken[x] = false;
    __syncwarp();
  }
  float sum = 0;
  for (int64_t c = 0; c < a.chosen; ++c) {
    const int x = take_best(score, taken, X, lane);
    if (lane == 0) a.expert_NC[n * a.chosen + c] = x;
    sum += affinity[x];
  }
  __syncwarp();
  for (int64_t c = lane; c < a.chosen; c += kWarp) {
    const float weight = affinity[a.expert_NC[n * a.chosen + c]];
    a.weight_NC[n * a.chosen + c] = (a.normalised ? weight / (sum + 1e-20f) : weight) * a.scale;
  }
}

// One block; thread x counts the choices of expert x and then places them, in the order of tokens.
__global__ void sort_kernel(ExpertRoutingArgs a) {
  __shared__ int64_t begin[kMaxExperts + 1];
  const int64_t choices = a.tokens * a.chosen, x = threadIdx.x;
  int64_t count = 0;
  for (int64_t m = 0; m < choices; ++m) count += a.expert_NC[m] == x;
  begin[x + 1] = count;
  if (x == 0) begin[0] = 0;
  __syncthreads();
  if (x == 0) {
    for (int64_t i = 0; i < a.experts; ++i) begin[i + 1] += begin[i];
  }
  __syncthreads();
  if (x == 0) a.begin_X1[a.experts] = begin[a.experts];
  a.begin_X1[x] = begin[x];
  int64_t next = begin[x];
  for (int64_t m = 0; m < choices; ++m) {
    if (a.expert_NC[m] != x) continue;
    a.token_M[next] = m / a.chosen;
    a.place_NC[m] = next++;
  }
}

template <class T>
__global__ void sum_kernel(ExpertSumArgs a) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= a.tokens * a.size) return;
  const int64_t n = i / a.size, d = i % a.size;
  const T* found = static_cast<const T*>(a.found_MD);
  float sum = 0;
  for (int64_t m = n * a.chosen; m < (n + 1) * a.chosen; ++m) {
    sum += a.weight_NC[m] * widen(found[a.place_NC[m] * a.size + d]);
  }
  static_cast<T*>(a.y_ND)[i] = narrow<T>(sum);
}

void check_started(const char* operation) {
  const cudaError_t error = cudaGetLastError();
  require(error == cudaSuccess, operation, "CUDA could not start: ", cudaGetErrorString(error));
}

}  // namespace

void expert_routing_cuda(const ExpertRoutingArgs& a, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  const int64_t blocks = (a.tokens + kWarps - 1) / kWarps;
  require(blocks <= INT32_MAX, "expert_routing", "expected at most ", INT32_MAX, " blocks but got ", blocks);
  const size_t bytes = static_cast<size_t>(kWarps * a.experts) * (3 * sizeof(float) + sizeof(bool));
  const cudaError_t error =
      cudaFuncSetAttribute(route_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  require(error == cudaSuccess, "expert_routing", "CUDA refused ", bytes,
          " bytes of shared memory: ", cudaGetErrorString(error));
  route_kernel<<<static_cast<unsigned>(blocks), kWarp * kWarps, bytes, queue>>>(a);
  check_started("expert_routing");
  sort_kernel<<<1, static_cast<unsigned>(a.experts), 0, queue>>>(a);
  check_started("expert_routing");
}

void expert_sum_cuda(const ExpertSumArgs& a, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  const int64_t blocks = (a.tokens * a.size + kThreads - 1) / kThreads;
  require(blocks <= INT32_MAX, "expert_sum", "expected at most ", INT32_MAX, " blocks but got ", blocks);
  switch (a.scalar) {
    case Scalar::fp32: sum_kernel<float><<<static_cast<unsigned>(blocks), kThreads, 0, queue>>>(a); break;
    case Scalar::bf16: sum_kernel<__nv_bfloat16><<<static_cast<unsigned>(blocks), kThreads, 0, queue>>>(a); break;
  }
  check_started("expert_sum");
}

}  // namespace tacit
