#pragma once

#include <vector>

#include "lib/kernels/kernel_case.h"

namespace tacit {

// Every kernel's cases on a device (lib/kernels/NAME/NAME_cases.cpp), in the order of kernel_cases.cpp.
std::vector<KernelCase> all_kernel_cases(const Place& place);

}  // namespace tacit
