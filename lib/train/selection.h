#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lib/core/json.h"
#include "lib/train/trained_weights.h"

namespace tacit {

using Figures = std::vector<std::pair<std::string, double>>;

// Which weights of a training become its checkpoint: those of the last update, or those with the best validation.
struct SelectionOptions {
  std::string figure;  // of the validation; empty = the last update's weights
  bool higher_is_better = false;
  int64_t patience = 0;  // validations in a row without a better one that end the training; 0 = it never ends early
};

// The best validation so far. Of equal ones the earlier counts; one that is not finite is never the best.
class Selection {
 public:
  explicit Selection(SelectionOptions options) : options_(std::move(options)) {}

  bool on() const { return !options_.figure.empty(); }
  // The figure that decides. Fails naming those there are when it is none of them.
  double figure_in(const Figures& validation) const;
  // Takes a validation into account, and the leaves where it is the best so far.  -> whether it is
  bool offer(int64_t step, const Figures& validation, const TensorMap& leaves);
  bool exhausted() const { return options_.patience > 0 && since_ >= options_.patience; }

  int64_t step() const { return step_; }  // of the best; 0 = none yet
  double value() const { return value_; }
  const SelectionOptions& options() const { return options_; }
  const TensorMap& best() const { return best_; }  // by leaf; empty while there is none

  std::string text() const;  // all but the weights, for a training state
  void restore(const std::string& text, TensorMap best);

 private:
  SelectionOptions options_;
  int64_t step_ = 0, since_ = 0;
  double value_ = 0;
  TensorMap best_;
};

}  // namespace tacit
