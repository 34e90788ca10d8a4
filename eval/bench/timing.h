#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lib/core/json.h"
#include "lib/core/progress.h"

namespace tacit {

// Something timed. A call does the work once and gives its milliseconds; what prepares it is not counted.
struct Subject {
  std::string name;
  std::function<double()> ms;
};

using Timings = std::map<std::string, std::vector<double>>;  // milliseconds by subject, a value a round

// Subjects that are timed in turns, so that a slow minute of the machine falls on all alike, and what their times mean.
struct Benchmark {
  std::string name;
  std::vector<Subject> subjects;
  std::function<OrderedJson(const Timings&)> result;
};

// One round: every subject once, another one first each time.
std::map<std::string, double> time_round(const Benchmark& benchmark, int64_t round);

// `rounds` rounds after one that only warms up.
Timings time_in_turns(const Benchmark& benchmark, int64_t rounds, const ProgressCallback& progress = {});

double median(const Timings& timings, const std::string& subject);
double p95(const Timings& timings, const std::string& subject);
// Median over the rounds of one subject's time in terms of another's of the same round.
double median_ratio(const Timings& timings, const std::string& subject, const std::string& of);

// Milliseconds from here until the work is done, which on a GPU is only queued when `work` returns.
double milliseconds(at::Device device, const std::function<void()>& work);

}  // namespace tacit
