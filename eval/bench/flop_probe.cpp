#include "eval/bench/flop_probe.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "eval/bench/timing.h"

namespace tacit {

// A small product tells which dtype is faster: some CPUs take a hundred times as long in bf16.
static double trial_ms(at::Device device, at::ScalarType dtype) {
  constexpr int64_t kSize = 512;
  const at::Tensor a = at::ones({kSize, kSize}, at::TensorOptions().dtype(dtype).device(device));
  at::mm(a, a);  // warms up
  return milliseconds(device, [&] { at::mm(a, a); });
}

FlopProbe::FlopProbe(at::Device device, at::ScalarType dtype) : device_(device), size_(device.is_cpu() ? 1536 : 8192) {
  const bool narrow = !device.is_cpu() || trial_ms(device, dtype) < trial_ms(device, at::kFloat);
  const auto options = at::TensorOptions().dtype(narrow ? dtype : at::kFloat).device(device);
  a_ = at::rand({size_, size_}, options) - 0.5;
  b_ = at::rand({size_, size_}, options) - 0.5;
  out_ = at::empty_like(a_);
}

double FlopProbe::flops() const {
  const double size = static_cast<double>(size_);
  return 2 * size * size * size;
}

double FlopProbe::ms() {
  const at::NoGradGuard no_grad;
  return milliseconds(device_, [&] { at::mm_out(out_, a_, b_); });
}

}  // namespace tacit
