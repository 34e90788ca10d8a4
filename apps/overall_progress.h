#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/progress_bar.h"
#include "eval/evaluation.h"

namespace tacit {

// One bar for several evaluations, which counts the problems of all, solved and then timed. Must outlive the callbacks
// that it gives.
class OverallProgress {
 public:
  explicit OverallProgress(size_t runs) : runs_(runs) {}
  OverallProgress(const OverallProgress&) = delete;
  OverallProgress& operator=(const OverallProgress&) = delete;

  ProgressCallback of_run(size_t run, std::string name);  // for its Evaluation
  void expect(size_t run, const Evaluation& evaluation);  // once opened: what it has done and what there is to do
  ProgressCallback of_timing();                           // for finish()

 private:
  struct Part {
    int64_t done = 0, size = 0, timed = 0;
  };
  bool show(int64_t timed, const std::string& detail);
  int64_t sum(int64_t Part::*field) const;

  std::vector<Part> runs_;
  ProgressCallback bar_ = progress_bar();
};

}  // namespace tacit
