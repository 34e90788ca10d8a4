#pragma once

#include "eval/bench/benchmarks.h"
#include "eval/bench/machine_rates.h"

namespace tacit {

// What every benchmark of a model does alike.

// The shape with the bytes of the model's dtype; fails unless the model has `positions` for it.
WorkShape checked_shape(const BenchSetting& setting, int64_t positions);
// The first fields of a result: what was measured, on what.
OrderedJson describe(const BenchSetting& setting, const std::string& benchmark);
// Median and p95 of subject "ours", and put_rates().
void put_times(OrderedJson& json, const Timings& timings, const Work& work, const MachineRates& rates);

}  // namespace tacit
