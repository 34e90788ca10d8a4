#include <algorithm>
#include <cstring>
#include <list>
#include <mutex>

#include "lib/kernels/device/launching.cuh"
#include "lib/kernels/latent_loop/cuda_path.h"
#include "lib/kernels/latent_loop/loop_kernels.cuh"
#include "lib/kernels/latent_loop/loop_setting.cuh"

namespace tacit {
namespace {

using namespace device;

constexpr auto kName = "latent_loop";
constexpr size_t kMostWorkspaces = 16;

__global__ void __launch_bounds__(kThreads, 1)
    setting_kernel(const __grid_constant__ LoopPlan plan, const __grid_constant__ LoopSetting setting) {
  take_setting(plan, setting);
}

template <class... Args>
void launch(const void* kernel, int blocks, int64_t shared, cudaStream_t stream, Args... args) {
  void* pointers[] = {&args...};
  cuda_require(cudaLaunchKernel(kernel, dim3(blocks), dim3(kThreads), pointers, static_cast<size_t>(shared), stream),
               kName, "start a kernel");
}

struct Device {
  int number = 0, multiprocessors = 0, shared_bytes = 0, cache_bytes = 0;
  bool cooperative = false;
  Device() {
    cuda_require(cudaGetDevice(&number), kName, "name the current device");
    multiprocessors = device_attribute(cudaDevAttrMultiProcessorCount, kName);
    shared_bytes = device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, kName);
    cache_bytes = device_attribute(cudaDevAttrL2CacheSize, kName);
    cooperative = device_attribute(cudaDevAttrCooperativeLaunch, kName) != 0;
  }
};

int64_t bytes_of(const SharedPlan& shared) { return shared.floats * static_cast<int64_t>(sizeof(float)); }

// The kernel for these arguments: the one of the smallest groups that hold all rows, else of the largest that fit.
struct Choice {
  LoopKernel kernel;
  LoopPlan plan;             // of the graph's kernels, without a workspace
  SharedPlan shared_by_all;  // of the persistent one
  int blocks;
  bool can_persist;
};
Choice choose(const LatentLoopArgs& args, const Device& device) {
  const bool int8 = args.format == WeightFormat::int8;
  const auto kernels = int8                          ? loop_kernels_int8()
                       : args.scalar == Scalar::fp32 ? loop_kernels_fp32()
                                                     : loop_kernels_bf16();
  const bool vector = reads_vectors(args);
  const int blocks = blocks_of(args, device.multiprocessors);
  const Choice* chosen = nullptr;
  std::vector<Choice> fitting;
  fitting.reserve(kernels.size());
  for (const LoopKernel& kernel : kernels) {
    if (kernel.vector != vector) continue;
    const LoopPlan plan = plan_of(args, kernel.rows, blocks, /*all=*/false);
    if (bytes_of(plan.shared) > device.shared_bytes) continue;
    const SharedPlan all = plan_of(args, kernel.rows, blocks, /*all=*/true).shared;
    const bool can_persist = device.cooperative && args.rows <= kernel.rows && bytes_of(all) <= device.shared_bytes;
    fitting.push_back({kernel, plan, all, blocks, can_persist});
    if (!chosen || chosen->kernel.rows < args.rows) chosen = &fitting.back();
  }
  require(chosen != nullptr, kName, "expected sizes that fit the ", device.shared_bytes,
          " bytes of shared memory of a block but got size ", args.size, ", heads ", args.heads, " of ", args.head_size,
          " and MLP ", args.mlp_size);
  Choice out = *chosen;
  out.plan.prefetch_bytes = device.cache_bytes / 4 / blocks;
  return out;
}

// What calls of one shape need on a device, one after the other.
class Workspace {
 public:
  Workspace(const Choice& choice, const Device& device)
      : device_(device.number), kernel_(choice.kernel), key_(choice.plan), plan_(choice.plan), blocks_(choice.blocks) {
    const auto give = [](const void* kernel, const SharedPlan& shared) {
      cuda_require(
          cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes_of(shared))),
          kName, "give a block its shared memory");
    };
    give(kernel_.part, plan_.shared);
    if (choice.can_persist) give(kernel_.all, choice.shared_by_all);
    LoopPlan sizes = plan_;
    bytes_ = static_cast<size_t>(place_workspace(sizes, nullptr));
    cuda_require(cudaMalloc(&memory_, bytes_), kName, "allocate a workspace");
    place_workspace(plan_, static_cast<char*>(memory_));
    plan_of_all_ = plan_;
    plan_of_all_.shared = choice.shared_by_all;
    cuda_require(cudaEventCreateWithFlags(&done_, cudaEventDisableTiming), kName, "make an event");
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() {
    if (done_) cudaEventSynchronize(done_);
    if (graph_) cudaGraphExecDestroy(graph_);
    if (done_) cudaEventDestroy(done_);
    if (memory_) cudaFree(memory_);
    cudaGetLastError();
  }

  bool fits(const Choice& choice, int device) const {
    return device == device_ && choice.kernel.all == kernel_.all && choice.blocks == blocks_ &&
           std::memcmp(&choice.plan, &key_, sizeof key_) == 0;
  }

  void run(const LatentLoopArgs& args, cudaStream_t stream, bool persistent) {
    if (!persistent && !graph_) capture();
    cuda_require(cudaStreamWaitEvent(stream, done_, 0), kName, "wait for the last call");
    if (persistent) take_tags(args, stream);
    for (int64_t first = 0; first < args.layers; first += kLayersAtOnce) {
      launch(reinterpret_cast<const void*>(setting_kernel), 1, 0, stream, plan_, setting_of(args, first));
    }
    if (persistent) {
      run_persistent(args, stream);
    } else {
      launch_part(groups(), {LoopPhase::between, 0, true}, stream);
      for (int64_t step = 0; step < args.steps; ++step)
        cuda_require(cudaGraphLaunch(graph_, stream), kName, "replay the graph");
    }
    cuda_require(cudaEventRecord(done_, stream), kName, "record an event");
    cuda_require(cudaGetLastError(), kName, "start the loop");
  }

 private:
  int groups() const { return static_cast<int>(divide_up(plan_.rows, kernel_.rows)); }

  void launch_part(int blocks, const LoopPart& part, cudaStream_t stream) const {
    launch(kernel_.part, blocks, bytes_of(plan_.shared), stream, plan_, LoopRequest{}, part);
  }

  // Tags that no call has used: those up to last_tag_. With none left, and at first, they begin anew in clean memory.
  void take_tags(const LatentLoopArgs& args, cudaStream_t stream) {
    const int64_t steps = std::min(args.steps, args.columns);  // a row takes no more
    const uint64_t tags = 2 * static_cast<uint64_t>(steps) * static_cast<uint64_t>(args.layers);
    require(tags < UINT32_MAX, kName, "expected fewer steps in a call than ", args.steps);
    if (last_tag_ + tags > UINT32_MAX) {
      cuda_require(cudaMemsetAsync(memory_, 0, bytes_, stream), kName, "clear a workspace");
      last_tag_ = 0;
    }
    first_tag_ = static_cast<uint32_t>(last_tag_);
    last_tag_ += tags;
  }

  void run_persistent(const LatentLoopArgs& args, cudaStream_t stream) {
    LoopRequest request = request_of(args);
    request.tag = first_tag_;
    LoopPart part = {LoopPhase::between, 0, true};
    void* pointers[] = {&plan_of_all_, &request, &part};
    cuda_require(cudaLaunchCooperativeKernel(kernel_.all, dim3(blocks_), dim3(kThreads), pointers,
                                             static_cast<size_t>(bytes_of(plan_of_all_.shared)), stream),
                 kName, "start the persistent kernel");
  }

  // One step: every phase of every layer, then what stands between steps. Sizes and addresses of the workspace are
  // baked in; lengths, the layers' arrays and the call's are read on the device.
  void capture() {
    cudaStream_t stream = nullptr;
    cudaGraph_t graph = nullptr;
    cuda_require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), kName, "make a stream");
    try {
      cuda_require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), kName, "begin a capture");
      for (int layer = 0; layer < plan_.layers; ++layer) {
        for (const LoopPhase phase : phases_of(plan_)) launch_part(blocks_, {phase, layer, false}, stream);
      }
      launch_part(groups(), {LoopPhase::between, 0, false}, stream);
      cuda_require(cudaStreamEndCapture(stream, &graph), kName, "end a capture");
      cuda_require(cudaGraphInstantiate(&graph_, graph, 0), kName, "make a graph");
    } catch (...) {
      if (!graph) cudaStreamEndCapture(stream, &graph);
      if (graph) cudaGraphDestroy(graph);
      cudaStreamDestroy(stream);
      cudaGetLastError();
      throw;
    }
    cudaGraphDestroy(graph);
    cudaStreamDestroy(stream);
  }

  int device_;
  LoopKernel kernel_;
  LoopPlan key_, plan_, plan_of_all_;
  int blocks_;
  void* memory_ = nullptr;
  size_t bytes_ = 0;
  uint32_t first_tag_ = 0;  // before those of the call at hand
  uint64_t last_tag_ = UINT32_MAX;
  cudaEvent_t done_ = nullptr;
  cudaGraphExec_t graph_ = nullptr;
};

// The latest used first. Never destroyed: at the end of the process the device may be gone before it.
struct Workspaces {
  std::mutex mutex;
  std::list<Workspace> list;

  Workspace& of(const Choice& choice, const Device& device) {
    const auto found =
        std::find_if(list.begin(), list.end(), [&](const Workspace& w) { return w.fits(choice, device.number); });
    if (found != list.end()) {
      list.splice(list.begin(), list, found);
      return list.front();
    }
    if (list.size() >= kMostWorkspaces) list.pop_back();
    list.emplace_front(choice, device);
    return list.front();
  }
};

void check(const LatentLoopArgs& args) {
  constexpr int64_t kMost = INT32_MAX / 8;
  require(args.rows <= kMost && args.layers <= kMost && args.columns <= kMost && args.mlp_size <= kMost &&
              (args.heads + 2 * args.kv_heads) * args.head_size <= kMost && args.size <= kMost &&
              args.rows * args.heads <= kMost,
          kName, "expected sizes below ", kMost);
  constexpr int64_t kMostHeadSize = kLanes * kEight;
  require(args.head_size <= kMostHeadSize, kName, "expected heads of at most ", kMostHeadSize, " on CUDA but got ",
          args.head_size);
  require(args.format == WeightFormat::scalar || args.scalar == Scalar::bf16, kName,
          "expected bf16 beside int8 weights on CUDA but got fp32");
  for (int64_t l = 0; l < args.layers; ++l) {
    require(!args.block[l].smear_G, kName, "expected keys that are not smeared on CUDA");
  }
  require_on_device(args.x_BD, "x_BD", kName);
  require_on_device(args.hidden_BD, "hidden_BD", kName);
  require_on_device(args.stored_B, "stored_B", kName);
  require_on_device(args.block[0].query_key_value.weight_OI, "weights", kName);
  require_on_device(args.block[0].k_BGCE, "k_BGCE", kName);
}

}  // namespace

void latent_loop_cuda(const LatentLoopArgs& args, void* stream, LoopPath path) {
  static Workspaces& workspaces = *new Workspaces();
  check(args);
  const Device device;
  const Choice choice = choose(args, device);
  require(
      path != LoopPath::persistent || choice.can_persist, kName, "expected at most ", choice.kernel.rows,
      " rows, whose stream fits a block's shared memory, and cooperative launches for the persistent kernel but got ",
      args.rows, " rows");
  const std::lock_guard lock(workspaces.mutex);
  workspaces.of(choice, device).run(args, static_cast<cudaStream_t>(stream), path == LoopPath::persistent);
}

void latent_loop_cuda(const LatentLoopArgs& args, void* stream) { latent_loop_cuda(args, stream, LoopPath::automatic); }

}  // namespace tacit
