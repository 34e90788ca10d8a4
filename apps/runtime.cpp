#include "apps/runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <charconv>

#include "lib/core/error.h"
#include "lib/kernels/cuda_backend.h"

namespace tacit {

at::ScalarType parse_dtype(const std::string& name) {
  if (name == "fp32") return at::kFloat;
  if (name == "bf16") return at::kBFloat16;
  if (name == "fp16") return at::kHalf;
  throw UsageError("expected fp32, bf16 or fp16 for '--dtype' but got '" + name + "'");
}

LoadOptions load_options(const CommonOptions& common) {
  const bool int8 = common.weights == "int8";
  LoadOptions out{.dtype = parse_dtype(common.dtype),
                  .device = use_device(common.device),
                  .weights = int8 ? WeightFormat::int8 : WeightFormat::scalar};
  const bool fits = out.dtype == at::kBFloat16 || (out.dtype == at::kFloat && out.device.is_cpu());
  if (int8 && !fits) {
    throw UsageError("expected '--dtype " + std::string(out.device.is_cpu() ? "fp32' or 'bf16'" : "bf16'") +
                     " beside '--weights int8' on " + common.device + " but got '" + common.dtype + "'");
  }
  return out;
}

LoadedModel open_checkpoint(const std::filesystem::path& directory, const CommonOptions& common) {
  LoadedModel out = open_model(directory, load_options(common));
  if (common.max_words >= 0) out.settings.max_words = common.max_words;
  Markers& markers = out.settings.markers;
  for (const auto& [given, marker] : {std::pair{&common.think_marker, &markers.think},
                                      {&common.answer_marker, &markers.answer},
                                      {&common.end_marker, &markers.end}}) {
    if (!*given) continue;
    require_tokenizer(out);
    *marker = **given;
    if (!marker->empty()) out.tokenizer->require_id(*marker, "open_model");
  }
  if (common.end_marker) out.settings.end_tokens.clear();
  return out;
}

at::Device use_device(const std::string& name) {
  if (name == "cpu") return at::kCPU;
  int64_t index = 0;
  const bool numbered = name.starts_with("cuda:");
  const auto [end, error] =
      std::from_chars(name.data() + std::min<size_t>(5, name.size()), name.data() + name.size(), index);
  if (name != "cuda" && !(numbered && error == std::errc() && end == name.data() + name.size() && index >= 0)) {
    throw UsageError("expected cpu, cuda or cuda:N for '--device' but got '" + name + "'");
  }
  require(enable_cuda(), "device", "expected a CUDA device for '--device ", name, "' but ", why_no_cuda());
  const int64_t count = static_cast<int64_t>(at::getNumGPUs());
  require(index < count, "device", "expected cuda:0 to cuda:", count - 1, " but got ", name);
  const at::Device device = {at::kCUDA, static_cast<at::DeviceIndex>(index)};
  c10::impl::VirtualGuardImpl(at::kCUDA).setDevice(device);  // kernels start on the current one
  at::globalContext().setSDPUseCuDNN(false);                 // it makes a plan for every new length of a prompt
  return device;
}

void use_threads(int64_t threads) {
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

void keep_freed_memory() {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);  // never
#endif
}

std::vector<int64_t> parse_ids(const std::string& text, const std::string& option) {
  std::vector<int64_t> ids;
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    while (at != end && *at == ' ') ++at;
    int64_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc()) break;
    ids.push_back(id);
    at = next;
    while (at != end && *at == ' ') ++at;
    if (at == end) return ids;
    if (*at++ != ',') break;
  }
  throw UsageError("expected numbers separated by commas for '--" + option + "' but got '" + text + "'");
}

std::string dump(const OrderedJson& json, int indent) {
  return json.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace tacit
