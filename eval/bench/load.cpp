#include <ATen/ATen.h>

#include <fstream>
#include <set>

#include "eval/bench/setting.h"
#include "lib/core/error.h"
#include "lib/model/checkpoint.h"

namespace tacit {
namespace {

constexpr size_t kPageBytes = 4096;

// Reads the file into memory that is there already: the least time of anything that wants its content.
double read_ms(const std::filesystem::path& file, std::vector<char>& into) {
  return milliseconds(at::kCPU, [&] {
    std::ifstream in(file, std::ios::binary);
    in.read(into.data(), std::ssize(into));
    require(static_cast<bool>(in), "bench", "expected ", into.size(), " readable bytes in ", file.string());
  });
}

// One byte of every page of every weight, so that all of it is in memory. -> something of it
int64_t touch(const Transformer& model) {
  std::set<const void*> seen;  // slots may share a tensor of the file
  int64_t sum = 0;
  for (const auto& [name, weight] : model.weights()) {
    const at::Storage& storage = weight.storage();
    if (!weight.is_cpu() || !seen.insert(storage.data()).second) continue;  // elsewhere it was copied in full
    const char* bytes = static_cast<const char*>(storage.data());
    for (size_t at = 0; at < storage.nbytes(); at += kPageBytes) sum += bytes[at];
  }
  return sum;
}

}  // namespace

Benchmark load_benchmark(const BenchSetting& setting, const std::filesystem::path& scratch) {
  const LoadOptions options{.dtype = setting.model->dtype(), .device = setting.model->device()};
  save_model(scratch, *setting.model, setting.model->config().raw);
  const std::filesystem::path file = scratch / "model.safetensors";
  const auto size = static_cast<size_t>(std::filesystem::file_size(file));
  const auto buffer = std::make_shared<std::vector<char>>(size);
  const auto seen = std::make_shared<int64_t>(0);
  Benchmark out{.name = "load", .subjects = {}, .result = {}};
  out.subjects.push_back({"read", [=] { return read_ms(file, *buffer); }});
  out.subjects.push_back({"ours", [=] {
                            std::shared_ptr<const Transformer> model;
                            return milliseconds(options.device, [&] { model = load_model(scratch, options); });
                          }});
  out.subjects.push_back({"touched", [=] {
                            std::shared_ptr<const Transformer> model;
                            return milliseconds(options.device, [&] {
                              model = load_model(scratch, options);
                              *seen += touch(*model);
                            });
                          }});
  out.result = [=](const Timings& timings) {
    OrderedJson json = describe(setting, "load");
    json.erase("batch");
    const double ms = median(timings, "ours"), read = median(timings, "read");
    json["rounds"] = timings.at("ours").size();
    json["ms_median"] = ms;
    json["ms_p95"] = p95(timings, "ours");
    json["bytes"] = size;
    json["gb_per_s"] = static_cast<double>(size) / ms / 1e6;
    json["bandwidth_gb_per_s"] = static_cast<double>(size) / read / 1e6;  // of reading the file
    json["share_of_bandwidth"] = read / ms;
    json["read_ms_median"] = read;
    json["ratio_to_read"] = median_ratio(timings, "ours", "read");
    json["touched_ms_median"] = median(timings, "touched");
    json["touched_ratio_to_read"] = median_ratio(timings, "touched", "read");
    return json;
  };
  return out;
}

}  // namespace tacit
