#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "eval/scorers/rational.h"

namespace tacit {

struct Arithmetic {
  std::optional<Rational> value;  // nothing where something is divided by zero
  std::vector<Integer> numbers;   // as written, left to right
};

// An expression of integers, + - * / (also x, U+00D7, U+00B7, U+00F7, U+2212 and \times \cdot \div), a minus sign, and
// brackets ( [ {. Nothing where the text is anything else, or nests deeper than 64.
std::optional<Arithmetic> evaluate_arithmetic(std::string_view text);

}  // namespace tacit
