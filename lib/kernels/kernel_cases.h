#pragma once

#include <string>
#include <vector>

#include "lib/kernels/kernel_case.h"

namespace tacit {

// Every kernel's cases on a device whose name has `match` in it (lib/kernels/NAME/NAME_cases.cpp), in the order of
// kernel_cases.cpp.
std::vector<KernelCase> all_kernel_cases(const Place& place, const std::string& match = "");

}  // namespace tacit
