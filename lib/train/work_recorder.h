#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>

namespace tacit {

// Work on a device that is launched once and repeated: a CUDA graph. The host names kernels and addresses once; to
// repeat them it spends microseconds, however many there are.
class RecordedWork {
 public:
  virtual ~RecordedWork() = default;
  virtual void replay() = 0;  // queued on the current stream
};

// Records work. What it computes must depend on the host in nothing: it reads tensors that live on, at whose addresses
// the next numbers are put, and writes to such; it neither waits for the device nor copies from the host's memory.
// Tensors that it makes itself are its own and gone when it returns. All works of one recorder share that memory, so
// one is replayed after the other, on one stream.
class WorkRecorder {
 public:
  virtual ~WorkRecorder() = default;
  // Runs `work` on the recorder's own stream, behind what the current stream was given and before what it will be.
  // First, so that libraries and the autograd engine's threads have made their preparations before it is recorded.
  virtual void run(const std::function<void()>& work) = 0;
  // Records `work` without any of it taking place. Fails, naming what it was refused, on work that cannot be.
  virtual std::unique_ptr<RecordedWork> record(const std::function<void()>& work) = 0;
};

// Null where this build or process records nothing: lib/train/work_recorder_cuda.cpp, or work_recorder_none.cpp in a
// build without CUDA; on the CPU; with a LibTorch that lacks what it takes.
std::unique_ptr<WorkRecorder> make_work_recorder(at::Device device);

}  // namespace tacit
