#include "eval/scorers/arithmetic.h"

#include <cctype>
#include <string>

namespace tacit {
namespace {

constexpr int64_t kDeepest = 64;
constexpr size_t kLongest = 4096;  // bytes

// Recursive descent; a failure leaves `good` false.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<Arithmetic> run() {
    result_.value = sum(0);
    skip();
    if (!good_ || at_ != text_.size()) return std::nullopt;
    return result_;
  }

 private:
  using Value = std::optional<Rational>;

  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(std::initializer_list<std::string_view> spellings) {
    skip();
    for (const std::string_view spelling : spellings) {
      if (!text_.substr(at_).starts_with(spelling)) continue;
      at_ += spelling.size();
      return true;
    }
    return false;
  }

  Value sum(int64_t depth) {
    Value left = product(depth);
    while (good_) {
      if (take({"+"})) {
        const Value right = product(depth);
        left = left && right ? Value(*left + *right) : std::nullopt;
      } else if (take({"-", "\u2212"})) {
        const Value right = product(depth);
        left = left && right ? Value(*left - *right) : std::nullopt;
      } else {
        break;
      }
    }
    return left;
  }

  Value product(int64_t depth) {
    Value left = factor(depth);
    while (good_) {
      if (take({"*", "x", "X", "\u00d7", "\u00b7", "\\times", "\\cdot"})) {
        const Value right = factor(depth);
        left = left && right ? Value(*left * *right) : std::nullopt;
      } else if (take({"/", "\u00f7", "\\div"})) {
        const Value right = factor(depth);
        left = left && right && *right != 0 ? Value(*left / *right) : std::nullopt;
      } else {
        break;
      }
    }
    return left;
  }

  Value factor(int64_t depth) {
    if (depth > kDeepest) good_ = false;
    if (!good_) return std::nullopt;
    if (take({"-", "\u2212"})) {
      const Value value = factor(depth + 1);
      return value ? Value(-*value) : std::nullopt;
    }
    for (const auto& [open, close] : {std::pair{"(", ")"}, std::pair{"[", "]"}, std::pair{"{", "}"}}) {
      if (!take({open})) continue;
      const Value value = sum(depth + 1);
      if (!take({close})) good_ = false;
      return value;
    }
    return number();
  }

  Value number() {
    skip();
    const size_t begin = at_;
    while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) ++at_;
    if (at_ == begin || at_ - begin > kMostDigits) {
      good_ = false;
      return std::nullopt;
    }
    std::string digits(text_.substr(begin, at_ - begin));
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));  // a leading zero would mean octal
    result_.numbers.emplace_back(digits);
    return Rational(result_.numbers.back());
  }

  std::string_view text_;
  size_t at_ = 0;
  bool good_ = true;
  Arithmetic result_;
};

}  // namespace

std::optional<Arithmetic> evaluate_arithmetic(std::string_view text) {
  if (text.size() > kLongest) return std::nullopt;
  return Parser(text).run();
}

}  // namespace tacit
