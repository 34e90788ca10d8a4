#pragma once

#include <ATen/ATen.h>

namespace tacit::test {

// A contiguous tensor with a strip of known values on either side, to catch a kernel that writes past its output.
class Guarded {
 public:
  // `offset` elements shift the inside away from the allocation's alignment.
  Guarded(at::IntArrayRef shape, at::TensorOptions options, int64_t offset = 0)
      : buffer_(at::full({c10::multiply_integers(shape) + 2 * kStrip + offset}, kMark, options)),
        inside_(buffer_.narrow(0, kStrip + offset, c10::multiply_integers(shape)).view(shape)),
        before_(buffer_.narrow(0, 0, kStrip + offset)),
        after_(buffer_.narrow(0, buffer_.numel() - kStrip, kStrip)) {}

  const at::Tensor& tensor() const { return inside_; }
  void* data() const { return inside_.data_ptr(); }
  bool intact() const { return before_.eq(kMark).all().item<bool>() && after_.eq(kMark).all().item<bool>(); }

 private:
  static constexpr int64_t kStrip = 64;   // keeps 16-byte alignment in every dtype
  static constexpr double kMark = -1536;  // exact in bf16

  at::Tensor buffer_, inside_, before_, after_;
};

}  // namespace tacit::test
