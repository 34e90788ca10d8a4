#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include <cstddef>
#include <exception>

#include "lib/core/error.h"
#include "lib/train/work_recorder.h"

namespace tacit {
namespace {

using Graph = at::cuda::CUDAGraph;

// LibTorch's own class: it knows what its allocators and generators must be told. It is in LibTorch's CUDA half, which
// is loaded when a device is first asked for and never linked (cmake/FindLibTorch.cmake), so its functions are looked
// up by their names in the binary.
struct GraphFunctions {
  void (*construct)(void* self, bool keep_graph) = nullptr;
  void (*destroy)(void* self) = nullptr;
  void (*capture_begin)(void* self, c10::MempoolId_t pool, cudaStreamCaptureMode mode) = nullptr;
  void (*capture_end)(void* self) = nullptr;
  void (*replay)(void* self) = nullptr;
  c10::MempoolId_t (*pool)(void* self) = nullptr;

  bool found() const { return construct && destroy && capture_begin && capture_end && replay && pool; }
};

const GraphFunctions& graph_functions() {
  static const GraphFunctions loaded = [] {
    GraphFunctions out;
    void* library = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_NOLOAD);
    if (library == nullptr) return out;
    const auto find = [library](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    };
    find(out.construct, "_ZN2at4cuda9CUDAGraphC1Eb");
    find(out.destroy, "_ZN2at4cuda9CUDAGraphD1Ev");
    find(out.capture_begin, "_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode");
    find(out.capture_end, "_ZN2at4cuda9CUDAGraph11capture_endEv");
    find(out.replay, "_ZN2at4cuda9CUDAGraph6replayEv");
    find(out.pool, "_ZN2at4cuda9CUDAGraph4poolEv");
    return out;
  }();
  return loaded;
}

// The memory of graphs; gone with the last of them.
using Pool = std::shared_ptr<const c10::MempoolId_t>;

class CudaGraph : public RecordedWork {
 public:
  CudaGraph() { graph_functions().construct(&storage_, /*keep_graph=*/false); }
  ~CudaGraph() override { graph_functions().destroy(&storage_); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  // On the current stream, which is not the default one. What other threads ask of the device stays theirs. `pool`: of
  // other graphs; null = a new one.
  void begin(Pool pool) {
    pool_ = std::move(pool);
    const c10::MempoolId_t id = pool_ ? *pool_ : c10::MempoolId_t{0, 0};
    graph_functions().capture_begin(&storage_, id, cudaStreamCaptureModeThreadLocal);
  }
  void end() {
    graph_functions().capture_end(&storage_);
    if (!pool_) pool_ = std::make_shared<const c10::MempoolId_t>(graph_functions().pool(&storage_));
  }
  void replay() override { graph_functions().replay(&storage_); }
  const Pool& pool() const { return pool_; }

 private:
  Pool pool_;
  alignas(Graph) std::byte storage_[sizeof(Graph)];
};

// `second` begins with what it is given from now on when `first` has done what it has been given.
void wait_for(const c10::Stream& first, const c10::Stream& second) {
  c10::Event event(c10::DeviceType::CUDA);
  event.record(first);
  event.block(second);
}

class CudaRecorder : public WorkRecorder {
 public:
  explicit CudaRecorder(at::Device device) : stream_(guard().getStreamFromGlobalPool(device)) {}

  void run(const std::function<void()>& work) override {
    const c10::Stream current = guard().getStream(stream_.device());
    wait_for(current, stream_);
    {
      const c10::StreamGuard on_own(stream_);
      work();
    }
    wait_for(stream_, current);
  }

  std::unique_ptr<RecordedWork> record(const std::function<void()>& work) override {
    const c10::StreamGuard on_own(stream_);
    auto graph = std::make_unique<CudaGraph>();
    std::string refused;
    try {
      graph->begin(pool_.lock());
      work();
    } catch (const std::exception& error) {
      refused = error.what();
    }
    try {
      graph->end();  // also of what was refused: it takes the stream out of its state
    } catch (const std::exception& error) {
      if (refused.empty()) refused = error.what();
    }
    if (!refused.empty()) {
      // LibTorch's allocator was not told that this is over: it goes on asking the object, and lets nobody else record
      // into its memory.
      graph.release();
      pool_.reset();
      fail("record", "expected work that a CUDA graph can hold but got ", refused);
    }
    pool_ = graph->pool();
    return graph;
  }

 private:
  static c10::impl::VirtualGuardImpl guard() { return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA); }

  c10::Stream stream_;
  std::weak_ptr<const c10::MempoolId_t> pool_;
};

}  // namespace

std::unique_ptr<WorkRecorder> make_work_recorder(at::Device device) {
  if (!device.is_cuda() || !graph_functions().found()) return nullptr;
  return std::make_unique<CudaRecorder>(device);
}

}  // namespace tacit
