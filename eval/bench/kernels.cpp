#include <ATen/Parallel.h>

#include <algorithm>

#include "eval/bench/benchmarks.h"
#include "eval/bench/machine_rates.h"
#include "lib/core/error.h"
#include "lib/kernels/kernel_cases.h"
#include "lib/kernels/tensors.h"

namespace tacit {
namespace {

// Calls in a row until they take this long, so that the clock's grain and one interrupt do not matter.
constexpr double kLeastWarmMs = 2;
constexpr int64_t kMostCalls = 10'000;

std::string warm(const std::string& subject) { return subject + ", warm"; }

Subject cold_subject(const std::string& name, at::Device device, std::function<void()> run, const MachineRates& rates) {
  return {name, [=] {
            rates.reader().evict();
            return milliseconds(device, run);
          }};
}

Subject warm_subject(const std::string& name, at::Device device, std::function<void()> run) {
  return {warm(name), [=] {
            const double once = milliseconds(device, run);
            const auto calls = static_cast<int64_t>(
                std::clamp(kLeastWarmMs / std::max(once, 1e-6), 1.0, static_cast<double>(kMostCalls)));
            const double ms = milliseconds(device, [&] {
              for (int64_t i = 0; i < calls; ++i) run();
            });
            return ms / static_cast<double>(calls);
          }};
}

OrderedJson case_json(const KernelCase& entry, const Timings& timings, double gb_per_s, double gflop_per_s) {
  const std::string twin = entry.name + ", twin";
  const Work work{entry.bytes, entry.flops};
  OrderedJson json = {{"name", entry.name},
                      {"ms_median", median(timings, entry.name)},
                      {"ms_p95", p95(timings, entry.name)},
                      {"ms_warm_median", median(timings, warm(entry.name))}};
  put_rates(json, work, median(timings, entry.name), gb_per_s, gflop_per_s);
  json["bound"] = work.bytes / gb_per_s >= work.flops / gflop_per_s ? "bytes" : "flops";
  json["twin_ms_median"] = median(timings, twin);
  json["twin_ratio"] = median_ratio(timings, twin, entry.name);
  json["twin_ms_warm_median"] = median(timings, warm(twin));
  json["twin_warm_ratio"] = median_ratio(timings, warm(twin), warm(entry.name));
  return json;
}

}  // namespace

Benchmark kernels_benchmark(at::Device device, const std::string& match) {
  const Place place = kernel_place(at::empty({0}, at::TensorOptions().device(device)), "bench");
  const std::vector<KernelCase> cases = all_kernel_cases(place, match);
  require(!cases.empty(), "bench", "expected a part of a kernel's name but got '", match, "'");
  const MachineRates rates(device, at::kBFloat16);
  Benchmark out{.name = "kernels", .subjects = rates.subjects(), .result = {}};
  for (const KernelCase& entry : cases) {
    out.subjects.push_back(cold_subject(entry.name, device, entry.run, rates));
    out.subjects.push_back(cold_subject(entry.name + ", twin", device, entry.twin, rates));
    out.subjects.push_back(warm_subject(entry.name, device, entry.run));
    out.subjects.push_back(warm_subject(entry.name + ", twin", device, entry.twin));
  }
  out.result = [=](const Timings& timings) {
    const double gb_per_s = rates.gb_per_s(timings), gflop_per_s = rates.gflop_per_s(timings);
    OrderedJson json = {{"benchmark", "kernels"},           {"device", device.str()},
                        {"threads", at::get_num_threads()}, {"rounds", timings.at(cases.front().name).size()},
                        {"bandwidth_gb_per_s", gb_per_s},   {"machine_gflop_per_s", gflop_per_s},
                        {"kernels", OrderedJson::array()}};
    for (const KernelCase& entry : cases) json["kernels"].push_back(case_json(entry, timings, gb_per_s, gflop_per_s));
    return json;
  };
  return out;
}

}  // namespace tacit
