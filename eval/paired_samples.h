#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/compare.h"

namespace tacit {

// The samples that all rows of a comparison have, lined up: sample i of every row answers the same problem in the same
// run and repeat. Of a row of fewer runs than others have, its samples stand once for each of theirs.
struct PairedSamples {
  std::vector<std::vector<const Sample*>> rows;  // by row, all of one length; they lie in the runs
  std::vector<int64_t> problem;                  // by sample: 0, 1, .. by id
  int64_t problems = 0;
  int64_t runs = 1;  // that the samples are of

  bool one_each() const { return problems == std::ssize(problem); }  // no two samples of one problem
  // Row's samples of run k, or of the one that stands for it.
  std::vector<const Sample*> of_run(size_t row, int64_t run) const;
  std::vector<int64_t> run_begin;  // by run, and behind the last
};

// Fails where rows have no common samples, where runs hold a sample twice, and where one id is two problems.
PairedSamples pair_samples(const std::vector<ComparedRow>& rows);

// A test of one row against another.
PairedTest paired_test(const PairedSamples& samples, size_t row, size_t other, const std::string& name_of_other);

}  // namespace tacit
