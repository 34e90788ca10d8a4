#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "apps/options.h"
#include "eval/open_model.h"
#include "lib/model/checkpoint.h"

namespace tacit {

// Where and how a model runs, from its options. All throw UsageError on a name they do not know.
at::ScalarType parse_dtype(const std::string& name);  // fp32, bf16, fp16
// cpu, cuda, cuda:N; fails when this build or machine has none. A CUDA device becomes the process's current one, and
// LibTorch's attention leaves out cuDNN.
at::Device use_device(const std::string& name);
LoadOptions load_options(const CommonOptions& common);  // dtype, weights and device, by these
// A checkpoint with what `common` says of written chains in place of its own. Fails where it has no such token.
LoadedModel open_checkpoint(const std::filesystem::path& directory, const CommonOptions& common);

// Sets the number of threads of the process; 0 leaves it.
void use_threads(int64_t threads);

// For work that allocates the same sizes again and again: freed memory of the main heap stays with the process (glibc)
// instead of going back to the kernel, which would have to clear its pages anew.
void keep_freed_memory();

// "1,2,3" -> {1, 2, 3}. UsageError names `option`.
std::vector<int64_t> parse_ids(const std::string& text, const std::string& option);

// Text of a JSON value, also when strings in it are not valid UTF-8 (a token may be half a character).
std::string dump(const OrderedJson& json, int indent = -1);

}  // namespace tacit
