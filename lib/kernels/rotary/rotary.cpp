#include "lib/kernels/rotary/rotary.h"

#include "lib/core/error.h"
#include "lib/kernels/require_arrays.h"

namespace tacit {

void rotary(const RotaryArgs& a, const Place& place) {
  constexpr auto kName = "rotary";
  require(a.tokens >= 0 && a.heads >= 1 && a.size >= 1, kName,
          "expected x_NHE of at least 0 tokens, 1 head and size 1 but got [", a.tokens, ", ", a.heads, ", ", a.size,
          "]");
  require(a.rotated >= 0 && a.rotated % 2 == 0 && a.rotated <= a.size, kName,
          "expected an even number of rotated dimensions, 0 to ", a.size, ", but got ", a.rotated);
  if (a.tokens == 0) return;
  const int64_t least = a.heads * a.size;
  require(a.x_stride >= least && a.y_stride >= least, kName, "expected tokens at least ", least, " apart but got ",
          a.x_stride, " and ", a.y_stride);
  require_arrays(kName, {{"x_NHE", a.x_NHE},
                         {"y_NHE", a.y_NHE},
                         {"cos_PR", a.cos_PR},
                         {"sin_PR", a.sin_PR},
                         {"position_N", a.position_N}});
  require(a.x_NHE != a.y_NHE || a.x_stride == a.y_stride, kName, "expected one stride in place but got ", a.x_stride,
          " and ", a.y_stride);
  if (place.device == DeviceKind::cuda) return rotary_cuda(a, place.stream);
  for (int64_t n = 0; n < a.tokens; ++n) {
    const int64_t position = a.position_N[n];
    require(position >= 0 && position < a.positions, kName, "expected positions below ", a.positions, " but got ",
            position);
  }
  rotary_cpu(a);
}

}  // namespace tacit
