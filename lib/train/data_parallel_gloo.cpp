// LibTorch holds Gloo compiled in, but its wheel not Gloo's headers.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <cstring>

#include "lib/core/error.h"
#include "lib/train/data_parallel.h"
#include "lib/train/device_sum.h"

namespace tacit {
namespace {

// What a message says, without the place in LibTorch's sources before it and the stack trace behind.
std::string gist(const std::exception& error) {
  std::string text = error.what();
  text = text.substr(0, text.find('\n'));
  const size_t place = text.find("] ");
  return text.starts_with("[/") && place != std::string::npos ? text.substr(place + 2) : text;
}

bool is_loopback(const std::string& address) { return address == "localhost" || address.starts_with("127."); }

class Gloo : public DataParallel {
 public:
  explicit Gloo(const DataParallelOptions& options) : options_(options) {
    const std::chrono::milliseconds timeout(static_cast<int64_t>(options.timeout_s * 1000));
    attempt("the start at " + options.master_addr + ":" + std::to_string(options.master_port), [&] {
      c10d::TCPStoreOptions store;
      store.port = static_cast<uint16_t>(options.master_port);
      store.isServer = options.serves && options.rank == 0;
      store.numWorkers = static_cast<size_t>(options.world_size);
      store.waitWorkers = options.serves;
      store.timeout = timeout;
      store_ = c10::make_intrusive<c10d::TCPStore>(options.master_addr, store);
      const auto gloo = c10d::ProcessGroupGloo::Options::create(timeout);
      gloo->devices = {is_loopback(options.master_addr)
                           ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1", /*lazyInit=*/false)
                           : c10d::ProcessGroupGloo::createDefaultDevice(/*lazyInit=*/false)};
      group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, static_cast<int>(options.rank),
                                                           static_cast<int>(options.world_size), gloo);
    });
  }

  int64_t rank() const override { return options_.rank; }
  int64_t size() const override { return options_.world_size; }

  void sum(at::Tensor& values, const std::string& what) override {
    if (values.is_cuda() && !asked_for_device_) {
      asked_for_device_ = true;
      on_device_ = join_device_sum(values, rank(), size(), options_.timeout_s, [&](const std::string& bytes) {
        return gather(bytes, "the exchange of NCCL's id")[0];
      });
    }
    attempt(what, [&] {
      if (values.is_cuda() && on_device_) return on_device_->sum(values);
      std::vector<at::Tensor> on_cpu = {values.to(at::kCPU).contiguous()};
      group_->allreduce(on_cpu)->wait();
      if (!on_cpu[0].is_same(values)) values.copy_(on_cpu[0]);
    });
  }

  std::vector<std::string> gather(const std::string& bytes, const std::string& what) override {
    std::vector<std::string> out;
    attempt(what, [&] {
      const int64_t length = static_cast<int64_t>(bytes.size());
      std::vector<int64_t> lengths;
      for (const at::Tensor& one : all_gather(at::full({1}, length, at::kLong))) lengths.push_back(one.item<int64_t>());
      const at::Tensor padded = at::zeros({std::max<int64_t>(1, *std::ranges::max_element(lengths))}, at::kByte);
      std::memcpy(padded.mutable_data_ptr(), bytes.data(), bytes.size());
      const std::vector<at::Tensor> texts = all_gather(padded);
      for (size_t rank = 0; rank < texts.size(); ++rank)
        out.emplace_back(static_cast<const char*>(texts[rank].const_data_ptr()), lengths[rank]);
    });
    return out;
  }

 private:
  std::vector<at::Tensor> all_gather(const at::Tensor& mine) {
    std::vector<std::vector<at::Tensor>> out(1);
    for (int64_t rank = 0; rank < size(); ++rank) out[0].push_back(at::zeros_like(mine));
    std::vector<at::Tensor> in = {mine};
    group_->allgather(out, in)->wait();
    return out[0];
  }

  template <class Action>
  void attempt(const std::string& what, Action&& action) {
    try {
      action();
    } catch (const std::exception& error) {
      fail("train", "expected all ", size(), " processes in ", what, " but rank ", rank(),
           " found that one has ended or given no sign for ", options_.timeout_s, " s (", gist(error), ")");
    }
  }

  DataParallelOptions options_;
  c10::intrusive_ptr<c10d::TCPStore> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
  std::unique_ptr<DeviceSum> on_device_;  // made when values on a CUDA device first come; null where there is no NCCL
  bool asked_for_device_ = false;
};

}  // namespace

bool has_data_parallel() { return true; }

std::unique_ptr<DataParallel> join_gloo(const DataParallelOptions& options) { return std::make_unique<Gloo>(options); }

}  // namespace tacit
