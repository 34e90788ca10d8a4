#pragma once

#include <string>
#include <vector>

#include "lib/model/family.h"

namespace tacit {

// The tensors of block `layer`'s RWKV-7 time mix under fla's names, `prefix` before them.
std::vector<FileTensor> rwkv7_time_mix_files(const ModelConfig& config, int64_t layer, const std::string& prefix);

}  // namespace tacit
