#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "eval/probe/chart.h"

namespace tacit::probe {

// A number of a whole sample, `value`, with a 95 % interval from leaving out one of ten groups of items at a time
// (delete-a-group jackknife): value +- 1.96 sqrt(9/10 sum (v_g - mean)^2). For numbers that a bootstrap misjudges,
// since it draws items twice: agreement of partitions, inverses of scatter. `of` is given the items that are kept.
// Without a width where there are fewer than 20 items, or where `of` is not finite.
Estimate jackknife(double value, int64_t items, const std::function<double(const std::vector<int64_t>& kept)>& of);

}  // namespace tacit::probe
