// NCCL for gradients on CUDA devices. Compiled, not yet run.
#include <c10/core/impl/VirtualGuardImpl.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nccl.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "lib/core/error.h"
#include "lib/train/device_sum.h"

namespace tacit {
namespace {

// LibTorch's CUDA half brings NCCL into the process; linking it would load it for everybody (cmake/FindLibTorch.cmake).
struct Nccl {
  decltype(&ncclGetUniqueId) get_unique_id = nullptr;
  decltype(&ncclCommInitRankConfig) init_rank = nullptr;
  decltype(&ncclCommGetAsyncError) async_error = nullptr;
  decltype(&ncclAllReduce) all_reduce = nullptr;
  decltype(&ncclCommAbort) abort = nullptr;
  decltype(&ncclGetErrorString) error_string = nullptr;

  bool found() const { return get_unique_id && init_rank && async_error && all_reduce && abort && error_string; }
};

const Nccl& nccl() {
  static const Nccl loaded = [] {
    Nccl out;
    void* library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_NOLOAD);
    if (library == nullptr) return out;
    auto find = [library](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    };
    find(out.get_unique_id, "ncclGetUniqueId");
    find(out.init_rank, "ncclCommInitRankConfig");
    find(out.async_error, "ncclCommGetAsyncError");
    find(out.all_reduce, "ncclAllReduce");
    find(out.abort, "ncclCommAbort");
    find(out.error_string, "ncclGetErrorString");
    return out;
  }();
  return loaded;
}

void check(ncclResult_t result, const std::string& what) {
  require(result == ncclSuccess || result == ncclInProgress, "nccl", "expected ", what, " to succeed but got ",
          nccl().error_string(result));
}

class NcclSum : public DeviceSum {
 public:
  NcclSum(const at::Tensor& values, int64_t rank, int64_t size, double timeout_s, const std::string& id_bytes)
      : timeout_(timeout_s) {
    ncclUniqueId id;
    require(id_bytes.size() == sizeof id.internal, "nccl", "expected an id of ", sizeof id.internal, " bytes but got ",
            id_bytes.size());
    std::memcpy(id.internal, id_bytes.data(), sizeof id.internal);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;  // so that no call waits for a process that is gone
    require(cudaSetDevice(values.get_device()) == cudaSuccess, "nccl", "expected CUDA device ", values.get_device());
    check(nccl().init_rank(&communicator_, static_cast<int>(size), id, static_cast<int>(rank), &config), "the start");
    wait("the start", [] { return true; });
  }

  ~NcclSum() override { nccl().abort(communicator_); }

  void sum(at::Tensor& values) override {
    const c10::Stream current = c10::impl::VirtualGuardImpl(at::kCUDA).getStream(values.device());
    const auto stream = static_cast<cudaStream_t>(current.native_handle());
    float* data = values.mutable_data_ptr<float>();
    check(nccl().all_reduce(data, data, static_cast<size_t>(values.numel()), ncclFloat, ncclSum, communicator_, stream),
          "a sum");
    wait("a sum", [stream] { return cudaStreamQuery(stream) != cudaErrorNotReady; });
  }

 private:
  template <class Done>
  void wait(const std::string& what, Done&& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(timeout_);
    for (;;) {
      ncclResult_t state = ncclSuccess;
      check(nccl().async_error(communicator_, &state), what);
      check(state, what);
      if (state == ncclSuccess && done()) return;
      require(std::chrono::steady_clock::now() < deadline, "nccl", "expected ", what, " within ", timeout_, " s");
      std::this_thread::yield();
    }
  }

  double timeout_;
  ncclComm_t communicator_ = nullptr;
};

}  // namespace

std::unique_ptr<DeviceSum> join_device_sum(const at::Tensor& values, int64_t rank, int64_t size, double timeout_s,
                                           const std::function<std::string(const std::string&)>& share) {
  // All of them or none: one that has no NCCL sends no id, or takes none.
  std::string id_bytes;
  if (nccl().found() && rank == 0) {
    ncclUniqueId id;
    check(nccl().get_unique_id(&id), "an id");
    id_bytes.assign(id.internal, sizeof id.internal);
  }
  id_bytes = share(id_bytes);
  if (id_bytes.empty()) return nullptr;
  require(nccl().found(), "nccl", "expected NCCL in the process of rank ", rank, " as in that of rank 0");
  return std::make_unique<NcclSum>(values, rank, size, timeout_s, id_bytes);
}

}  // namespace tacit
