#include "lib/train/selection.h"

#include <cmath>

#include "lib/core/error.h"

namespace tacit {

double Selection::figure_in(const Figures& validation) const {
  std::string names;
  for (const auto& [name, value] : validation) {
    if (name == options_.figure) return value;
    names += (names.empty() ? "" : ", ") + name;
  }
  fail("train", "expected a figure of the validation to select by (", names, ") but got '", options_.figure, "'");
}

bool Selection::offer(int64_t step, const Figures& validation, const TensorMap& leaves) {
  const double value = figure_in(validation);
  const bool better =
      std::isfinite(value) && (step_ == 0 || (options_.higher_is_better ? value > value_ : value < value_));
  since_ = better ? 0 : since_ + 1;
  if (!better) return false;
  step_ = step;
  value_ = value;
  for (const auto& [name, leaf] : leaves) best_[name] = leaf.detach().clone();
  return true;
}

std::string Selection::text() const {
  return OrderedJson({{"step", step_}, {"value", value_}, {"since", since_}}).dump();
}

void Selection::restore(const std::string& text, TensorMap best) {
  const Json json = parse_json(text, "resume", "'selection' of the training state");
  const JsonReader in(json, "resume", "'selection' of the training state");
  step_ = in.integer("step");
  value_ = in.number("value");
  since_ = in.integer("since");
  best_ = std::move(best);
}

}  // namespace tacit
