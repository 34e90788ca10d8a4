#include <cstdint>
#include <mutex>
#include <vector>

#include "lib/kernels/device/intrinsics.cuh"
// The machine comes first.
#include "lib/kernels/decode_attention/split_attention.cuh"
#include "lib/kernels/device/launching.cuh"

namespace tacit {
namespace {

using namespace device;

constexpr auto kName = "decode_attention";

template <class T, int kPacks, bool kVector>
__global__ void __launch_bounds__(kThreads, 1) split_kernel(const __grid_constant__ SplitPlan plan) {
  run_splits<T, kPacks, kVector>(plan);
}
template <class T>
__global__ void __launch_bounds__(kThreads) join_kernel(const __grid_constant__ SplitPlan plan) {
  run_join<T>(plan);
}

constexpr int kMostPacks = 3;

template <class T>
const void* split_kernel_of(bool vector, bool small) {
  if (!vector) return reinterpret_cast<const void*>(split_kernel<T, kMostPacks, false>);
  return small ? reinterpret_cast<const void*>(split_kernel<T, 1, true>)
               : reinterpret_cast<const void*>(split_kernel<T, kMostPacks, true>);
}

// Memory that is taken and given back in the order of a stream; what is given back stays for the next call.
cudaMemPool_t pool() {
  static std::mutex mutex;
  static std::vector<cudaMemPool_t> pools;
  int device = 0;
  cuda_require(cudaGetDevice(&device), kName, "name the current device");
  const std::lock_guard lock(mutex);
  if (static_cast<size_t>(device) >= pools.size()) pools.resize(device + 1, nullptr);
  if (!pools[device]) {
    cudaMemPoolProps props = {};
    props.allocType = cudaMemAllocationTypePinned;
    props.location = {cudaMemLocationTypeDevice, device};
    uint64_t kept = UINT64_MAX;
    cuda_require(cudaMemPoolCreate(&pools[device], &props), kName, "make a pool of memory");
    cuda_require(cudaMemPoolSetAttribute(pools[device], cudaMemPoolAttrReleaseThreshold, &kept), kName,
                 "keep a pool's memory");
  }
  return pools[device];
}

void launch(const void* kernel, int64_t blocks, int64_t bytes, cudaStream_t stream, SplitPlan& plan) {
  void* pointers[] = {&plan};
  cuda_require(cudaLaunchKernel(kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), pointers,
                                static_cast<size_t>(bytes), stream),
               kName, "start a kernel");
}

}  // namespace

void decode_attention_cuda(const DecodeAttentionArgs& args, void* stream) {
  constexpr int64_t kMostSize = kMostPacks * kLanes * kEight, kMostBlocks = INT32_MAX;
  require(args.key_size <= kMostSize && args.value_size <= kMostSize, kName, "expected keys and values of at most ",
          kMostSize, " on CUDA but got ", args.key_size, " and ", args.value_size);
  const auto aligned = [](const void* array) { return reinterpret_cast<uintptr_t>(array) % 16 == 0; };
  const bool vector =
      args.key_size % kEight == 0 && args.value_size % kEight == 0 && aligned(args.k_BGCE) && aligned(args.v_BGCE);
  const bool small = args.key_size <= kLanes * kEight && args.value_size <= kLanes * kEight;
  SplitPlan plan = {args, most_splits(args.columns), nullptr, nullptr};
  const int64_t heads = args.rows * args.heads, parts = heads * plan.splits;
  require(parts <= kMostBlocks, kName, "expected at most ", kMostBlocks, " parts but got ", parts);
  const auto queue = static_cast<cudaStream_t>(stream);
  const int64_t bytes = split_floats(args) * static_cast<int64_t>(sizeof(float));
  const bool fp32 = args.scalar == Scalar::fp32;
  const void* const split = fp32 ? split_kernel_of<float>(vector, small) : split_kernel_of<Bf16>(vector, small);
  const void* const join =
      fp32 ? reinterpret_cast<const void*>(join_kernel<float>) : reinterpret_cast<const void*>(join_kernel<Bf16>);
  void* memory = nullptr;
  cuda_require(cudaMallocFromPoolAsync(&memory, static_cast<size_t>(parts * (args.value_size + 2) * 4), pool(), queue),
               kName, "allocate a workspace");
  plan.found = static_cast<float*>(memory);
  plan.pairs = plan.found + parts * args.value_size;
  launch(split, parts, bytes, queue, plan);
  launch(join, heads, kMostSplits * static_cast<int64_t>(sizeof(float)), queue, plan);
  cuda_require(cudaFreeAsync(memory, queue), kName, "give a workspace back");
  cuda_require(cudaGetLastError(), kName, "start a kernel");
}

}  // namespace tacit
