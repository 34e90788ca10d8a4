#pragma once

#include <memory>
#include <vector>

#include "eval/bench/flop_probe.h"
#include "eval/bench/read_probe.h"
#include "eval/bench/timing.h"
#include "eval/bench/work.h"

namespace tacit {

// The two rates of the machine, as subjects that take their turn beside what is measured.
class MachineRates {
 public:
  MachineRates(at::Device device, at::ScalarType dtype);

  std::vector<Subject> subjects() const;
  double gb_per_s(const Timings& timings) const;
  double gflop_per_s(const Timings& timings) const;
  ReadProbe& reader() const { return *read_; }

 private:
  std::shared_ptr<ReadProbe> read_;
  std::shared_ptr<FlopProbe> multiply_;
};

// Adds what a time means beside the machine's rates: bytes, flops, GB/s, shares, the floor.
void put_rates(OrderedJson& json, const Work& work, double ms, double machine_gb_per_s, double machine_gflop_per_s);

}  // namespace tacit
