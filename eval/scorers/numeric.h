#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eval/scorer.h"
#include "eval/scorers/rational.h"
#include "lib/core/json.h"

namespace tacit {

struct FoundNumber {
  size_t begin = 0, end = 0;  // bytes of the text, sign and fraction included, unit and currency aside
  Rational value;
  size_t percent = 0;  // bytes of the percent sign that follows, with the space before it; 0 = none does
};

// The numbers that a text writes, left to right, as exact fractions: 1,400 (commas between groups of three), 29.0, .5,
// -7 (also U+2212, and before or behind a currency sign; not where it stands between two numbers), 1/2, 2 1/2,
// \frac{1}{2}, 1e3, 1.5 x 10^3. A number of more than 1,000 digits, or with an exponent beyond 1,000, is none.
std::vector<FoundNumber> find_numbers(std::string_view text);

// Numbers as numbers: $29.00 = 29 = 29.0 = "29 dollars". The answer is the first number behind the last announcement
// (plain_text.h) that has one, else the last number. Compared exactly.
//   percent   "unit": 50% is 50 (default); "hundredth": 50% is 1/2
Scorer numeric(const Json& options);

}  // namespace tacit
