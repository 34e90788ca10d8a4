#include "lib/model/initial_state.h"

#include <cmath>

#include "lib/core/rng.h"

namespace tacit {

at::Tensor initial_state(const at::Tensor& position_BT, int64_t D, double deviation, at::ScalarType dtype) {
  constexpr uint64_t seed = 0;
  constexpr uint32_t substream = 8;  // apart from what else is drawn under that seed
  if (deviation == 0) {
    return at::zeros({position_BT.size(0), position_BT.size(1), D}, position_BT.options().dtype(dtype));
  }
  const auto [position_N, index_BT, count_N] =
      at::_unique2(position_BT.to(at::kCPU), /*sorted=*/true, /*return_inverse=*/true);
  at::Tensor start_ND = at::empty({position_N.size(0), D}, at::kFloat);
  float* start = start_ND.mutable_data_ptr<float>();
  for (int64_t n = 0; n < position_N.size(0); ++n) {
    Rng rng(seed, static_cast<uint64_t>(position_N.const_data_ptr<int64_t>()[n]), substream);
    for (int64_t d = 0; d < D; ++d) {
      double drawn = rng.normal();
      while (std::abs(drawn) > 3) drawn = rng.normal();
      *start++ = static_cast<float>(deviation * drawn);
    }
  }
  return at::embedding(start_ND, index_BT).to(position_BT.device(), dtype);
}

}  // namespace tacit
