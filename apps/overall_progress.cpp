#include "apps/overall_progress.h"

#include <algorithm>

namespace tacit {

ProgressCallback OverallProgress::of_run(size_t run, std::string name) {
  name += " (" + std::to_string(run + 1) + " of " + std::to_string(runs_.size()) + ")";
  return [this, run, name](const Progress& progress) {
    const bool preparing = progress.what.starts_with("prepare ");
    if (!preparing) runs_[run].done = progress.done;
    const std::string share = std::to_string(progress.done) + "/" + std::to_string(progress.total);
    return show(0, name + "  " + (preparing ? "prepares " + share : progress.detail));
  };
}

void OverallProgress::expect(size_t run, const Evaluation& evaluation) {
  runs_[run] = {evaluation.done(), evaluation.size(), evaluation.problems_to_time()};
  if (run + 1 == runs_.size()) show(0, "");
}

// Of a turn each evaluation takes its problem, as long as it has one.
ProgressCallback OverallProgress::of_timing() {
  return [this](const Progress& progress) {
    int64_t timed = 0;
    for (const Part& part : runs_) timed += std::min(progress.done, part.timed);
    return show(timed, "one at a time, in turn");
  };
}

bool OverallProgress::show(int64_t timed, const std::string& detail) {
  return bar_({"compare", sum(&Part::done) + timed, sum(&Part::size) + sum(&Part::timed), detail});
}

int64_t OverallProgress::sum(int64_t Part::*field) const {
  int64_t out = 0;
  for (const Part& part : runs_) out += part.*field;
  return out;
}

}  // namespace tacit
