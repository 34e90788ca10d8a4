#include "lib/train/device_sum.h"

namespace tacit {

std::unique_ptr<DeviceSum> join_device_sum(const at::Tensor&, int64_t, int64_t, double,
                                           const std::function<std::string(const std::string&)>&) {
  return nullptr;
}

}  // namespace tacit
