#include "eval/bench/timing.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <chrono>

#include "eval/statistics.h"
#include "lib/core/error.h"

namespace tacit {

static void wait_for(at::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.synchronizeDevice(device.has_index() ? device.index() : guard.getDevice().index());
}

double milliseconds(at::Device device, const std::function<void()>& work) {
  wait_for(device);
  const auto begin = std::chrono::steady_clock::now();
  work();
  wait_for(device);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

std::map<std::string, double> time_round(const Benchmark& benchmark, int64_t round) {
  const size_t count = benchmark.subjects.size();
  std::map<std::string, double> ms;
  for (size_t turn = 0; turn < count; ++turn) {
    const Subject& subject = benchmark.subjects[(static_cast<size_t>(round) + turn) % count];
    ms[subject.name] = subject.ms();
  }
  return ms;
}

Timings time_in_turns(const Benchmark& benchmark, int64_t rounds, const ProgressCallback& progress) {
  require(rounds >= 1, "bench", "expected at least 1 round but got ", rounds);
  const auto report = [&](int64_t done) {
    const Progress state = {"bench " + benchmark.name, done, rounds, done == 0 ? "warming up" : ""};
    if (progress && !progress(state)) {
      throw Interrupted("bench", "stopped after " + std::to_string(done) + (done == 1 ? " round" : " rounds"));
    }
  };
  report(0);
  time_round(benchmark, 0);
  Timings timings;
  for (int64_t round = 0; round < rounds; ++round) {
    for (const auto& [name, ms] : time_round(benchmark, round)) timings[name].push_back(ms);
    report(round + 1);
  }
  return timings;
}

double median(const Timings& timings, const std::string& subject) { return quantile(timings.at(subject), .5); }
double p95(const Timings& timings, const std::string& subject) { return quantile(timings.at(subject), .95); }

double median_ratio(const Timings& timings, const std::string& subject, const std::string& of) {
  std::vector<double> ratios;
  const std::vector<double>&above = timings.at(subject), &below = timings.at(of);
  for (size_t i = 0; i < above.size(); ++i) ratios.push_back(above[i] / below[i]);
  return quantile(std::move(ratios), .5);
}

}  // namespace tacit
