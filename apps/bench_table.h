#pragma once

#include "apps/render.h"
#include "lib/core/json.h"

namespace tacit {

// A result of eval/bench/benchmarks.h for people: the times, then bars for what share of the machine they are.
Lines bench_table(const OrderedJson& result, const RenderOptions& options);

}  // namespace tacit
