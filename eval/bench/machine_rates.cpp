#include "eval/bench/machine_rates.h"

namespace tacit {
namespace {

const char* const kRead = "machine_read";
const char* const kMultiply = "machine_multiply";

}  // namespace

MachineRates::MachineRates(at::Device device, at::ScalarType dtype)
    : read_(std::make_shared<ReadProbe>(device)), multiply_(std::make_shared<FlopProbe>(device, dtype)) {}

std::vector<Subject> MachineRates::subjects() const {
  return {{kRead, [read = read_] { return read->ms(); }},
          {kMultiply, [multiply = multiply_] { return multiply->ms(); }}};
}

double MachineRates::gb_per_s(const Timings& timings) const { return read_->bytes() / median(timings, kRead) / 1e6; }

double MachineRates::gflop_per_s(const Timings& timings) const {
  return multiply_->flops() / median(timings, kMultiply) / 1e6;
}

void put_rates(OrderedJson& json, const Work& work, double ms, double machine_gb_per_s, double machine_gflop_per_s) {
  const double gb_per_s = work.bytes / ms / 1e6, gflop_per_s = work.flops / ms / 1e6;
  const double floor = floor_ms(work, machine_gb_per_s, machine_gflop_per_s);
  json["bytes"] = static_cast<int64_t>(work.bytes);
  json["flops"] = static_cast<int64_t>(work.flops);
  json["gb_per_s"] = gb_per_s;
  json["bandwidth_gb_per_s"] = machine_gb_per_s;
  json["share_of_bandwidth"] = gb_per_s / machine_gb_per_s;
  json["gflop_per_s"] = gflop_per_s;
  json["machine_gflop_per_s"] = machine_gflop_per_s;
  json["share_of_flop_rate"] = gflop_per_s / machine_gflop_per_s;
  json["floor_ms"] = floor;
  json["share_of_floor"] = floor / ms;
}

}  // namespace tacit
