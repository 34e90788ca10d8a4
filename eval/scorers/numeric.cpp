#include "eval/scorers/numeric.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "eval/scorers/plain_text.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr int64_t kLargestExponent = 1000;

bool digit(char c) { return c >= '0' && c <= '9'; }

Integer integer_of(std::string_view digits) {
  const size_t first = digits.find_first_not_of('0');  // a leading zero would mean octal
  return first == std::string_view::npos ? Integer(0) : Integer(std::string(digits.substr(first)));
}

Rational power_of_ten(int64_t exponent) {
  const Integer power = boost::multiprecision::pow(Integer(10), static_cast<unsigned>(std::abs(exponent)));
  return exponent < 0 ? Rational(Integer(1), power) : Rational(power);
}

// Reads one number at a time from `text`.
class NumberReader {
 public:
  explicit NumberReader(std::string_view text) : text_(text) {}

  std::vector<FoundNumber> all() {
    std::vector<FoundNumber> out;
    while (at_ < text_.size()) {
      const size_t begin = at_;
      const std::optional<Rational> value = number();
      if (value) {
        const size_t signed_at = sign_before(begin);
        out.push_back({signed_at, at_, signed_at < begin ? Rational(-*value) : *value, percent_bytes()});
      } else if (at_ == begin) {
        ++at_;
      }
    }
    return out;
  }

 private:
  bool at(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  size_t digits_end(size_t from) const {
    while (from < text_.size() && digit(text_[from])) ++from;
    return from;
  }

  // With fraction, mixed fraction or exponent. Moves behind what it read, also where that is no number.
  std::optional<Rational> number() {
    if (at("\\frac") || at("\\dfrac") || at("\\tfrac")) return latex_fraction();
    if (!digit(peek()) && !(peek() == '.' && digit(peek(1)))) return std::nullopt;
    const size_t begin = at_;
    const bool whole = digit(peek()) && (at_ == 0 || text_[at_ - 1] != '/');  // 12/05/2020 holds no fraction
    std::optional<Rational> value = decimal();
    if (!value) return std::nullopt;
    if (whole && integer_) {
      if (const auto over = denominator(at_)) return *value / *over;
      if (!is_index(begin)) {
        if (const auto part = mixed_part()) return *value + *part;
      }
    }
    return scaled(*value);
  }

  // Bytes of what stands between groups of three digits, as people write it and in LaTeX; 0 where that is not at `p`.
  size_t group_mark(size_t p) const {
    for (const std::string_view mark : {",\\!", "{,}", "\\,", ","}) {
      const size_t digits = p + mark.size();
      if (text_.substr(p).starts_with(mark) && digits_end(digits) == digits + 3) return mark.size();
    }
    return 0;
  }

  // The digits at `p`, those of further groups of three included; moves `p` behind them.
  std::string grouped_digits(size_t& p) const {
    const size_t begin = p;
    p = digits_end(p);
    std::string out(text_.substr(begin, p - begin));
    if (out.empty() || out.size() > 3) return out;
    while (const size_t mark = group_mark(p)) {
      out += text_.substr(p + mark, 3);
      p += mark + 3;
    }
    return out;
  }

  // Whether the number at `begin` is an exponent or an index, which is no part of a product with what follows.
  bool is_index(size_t begin) const {
    const size_t first = sign_before(begin);
    return first > 0 && (text_[first - 1] == '^' || text_[first - 1] == '_');
  }

  // Digits with commas between groups of three, and decimals; integer_ says whether there were none of these.
  std::optional<Rational> decimal() {
    const std::string whole = grouped_digits(at_);
    integer_ = !whole.empty();
    std::string decimals;
    if (peek() == '.' && digit(peek(1))) {
      const size_t end = digits_end(at_ + 1);
      decimals = text_.substr(at_ + 1, end - at_ - 1);
      at_ = end;
      integer_ = false;
    }
    if (whole.size() + decimals.size() > kMostDigits) return std::nullopt;
    return Rational(integer_of(whole + decimals)) * power_of_ten(-static_cast<int64_t>(decimals.size()));
  }

  // "/4" or "/1,000", which neither a further "/" nor a decimal follows: a date is no fraction. Moves behind it.
  std::optional<Rational> denominator(size_t from) {
    if (from >= text_.size() || text_[from] != '/') return std::nullopt;
    size_t end = from + 1;
    const std::string digits = grouped_digits(end);
    if (digits.empty() || digits.size() >= kMostDigits) return std::nullopt;
    const bool goes_on = end + 1 < text_.size() && (text_[end] == '/' || text_[end] == '.') && digit(text_[end + 1]);
    const Integer value = integer_of(digits);
    if (goes_on || value == 0) return std::nullopt;
    at_ = end;
    return Rational(value);
  }

  // " 1/2", "\frac{1}{2}" or " \frac{1}{2}" behind an integer: 2 1/2 is five halves.
  std::optional<Rational> mixed_part() {
    const size_t begin = at_;
    if (peek() == ' ') ++at_;
    if (peek() == '\\') {
      const std::optional<Rational> part = number();
      if (part && *part < 1) return part;
    }
    at_ = begin;
    if (peek() != ' ' || !digit(peek(1))) return std::nullopt;
    const size_t end = digits_end(at_ + 1);
    if (end - begin > kMostDigits) return std::nullopt;
    const Integer numerator = integer_of(text_.substr(begin + 1, end - begin - 1));
    const auto over = denominator(end);
    if (over && numerator < *over) return Rational(numerator) / *over;
    at_ = begin;
    return std::nullopt;
  }

  // The same times a power of ten, where one is written: e3, x 10^3, \times 10^{3}.
  std::optional<Rational> scaled(const Rational& value) {
    size_t from = std::string_view::npos;
    if ((peek() == 'e' || peek() == 'E') && exponent_at(at_ + 1)) from = at_ + 1;
    for (const std::string_view times : {"x", "\u00d7", "*", "\\times", "\\cdot", "\u00b7"}) {
      size_t p = at_;
      while (p < text_.size() && text_[p] == ' ') ++p;
      if (!text_.substr(p).starts_with(times)) continue;
      p += times.size();
      while (p < text_.size() && text_[p] == ' ') ++p;
      if (!text_.substr(p).starts_with("10^")) continue;
      p += 3;
      if (p < text_.size() && text_[p] == '{') ++p;
      if (exponent_at(p)) from = p;
    }
    if (from == std::string_view::npos) return value;
    const auto exponent = exponent_at(from);
    at_ = exponent->second;
    if (text_[from - 1] == '{' && peek() == '}') ++at_;
    if (std::abs(exponent->first) > kLargestExponent) return std::nullopt;
    return value * power_of_ten(exponent->first);
  }

  // An exponent at `from` and the byte behind it.
  std::optional<std::pair<int64_t, size_t>> exponent_at(size_t from) const {
    size_t p = from;
    const std::string_view rest = text_.substr(std::min(p, text_.size()));
    const bool minus = rest.starts_with("-") || rest.starts_with("\u2212");
    if (minus) p += rest.starts_with("-") ? 1 : 3;
    if (!minus && rest.starts_with("+")) ++p;
    const size_t end = digits_end(p);
    if (end == p) return std::nullopt;
    const int64_t value = end - p > 6 ? kLargestExponent + 1 : std::stoll(std::string(text_.substr(p, end - p)));
    return std::pair{minus ? -value : value, end};
  }

  // What a command takes next: digits in braces, or a single one. Moves behind it.
  std::string_view argument() {
    while (peek() == ' ') ++at_;
    const bool braces = peek() == '{';
    const size_t begin = at_ + (braces ? 1 : 0);
    const size_t end = braces ? digits_end(begin) : std::min(digits_end(begin), begin + 1);
    if (end == begin || end - begin > kMostDigits || (braces && !text_.substr(end).starts_with("}"))) return {};
    at_ = end + (braces ? 1 : 0);
    return text_.substr(begin, end - begin);
  }

  // \frac{a}{b} of plain integers, and \frac12 where no further digit follows.
  std::optional<Rational> latex_fraction() {
    const size_t begin = at_;
    at_ = text_.find("frac", at_) + 4;
    const std::string_view top = argument(), bottom = top.empty() ? top : argument();
    const bool ends = text_[at_ - 1] == '}' || !digit(peek());
    const Integer over = bottom.empty() || !ends ? Integer(0) : integer_of(bottom);
    if (over == 0) {
      at_ = begin + 1;  // its digits are numbers of their own
      return std::nullopt;
    }
    return Rational(integer_of(top), over);
  }

  // Where the minus sign stands that belongs to a number at `begin`; `begin` where there is none.
  size_t sign_before(size_t begin) const {
    size_t p = behind_currency(begin);
    size_t sign = p;
    if (p >= 1 && text_[p - 1] == '-') {
      sign = p - 1;
    } else if (p >= 3 && text_.substr(p - 3, 3) == "\u2212") {
      sign = p - 3;
    } else {
      return begin;
    }
    p = behind_currency(sign);
    // 16-3, x-3, ")-3", "--3": not a sign
    if (p > 0) {
      const auto before = static_cast<unsigned char>(text_[p - 1]);
      if (std::isalnum(before) || before == ')' || before == '}' || before == ']' || before == '%' || before == '-')
        return begin;
    }
    return sign;
  }
  // `p` or, where currency signs end there, the byte where they begin.
  size_t behind_currency(size_t p) const {
    for (bool found = true; found;) {
      found = false;
      for (const std::string_view sign : {"\\$", "$", "\u20ac", "\u00a3", "\u00a5"}) {
        if (p >= sign.size() && text_.substr(p - sign.size(), sign.size()) == sign) {
          p -= sign.size();
          found = true;
          break;
        }
      }
    }
    return p;
  }

  size_t percent_bytes() const {
    for (const std::string_view sign : {"%", "\\%", " %", " percent"}) {
      if (at(sign)) return sign.size();
    }
    return 0;
  }

  std::string_view text_;
  size_t at_ = 0;
  bool integer_ = false;
};

// The first number behind the last announcement that has one, else the last.
std::optional<FoundNumber> answer_in(std::string_view text) {
  const std::vector<FoundNumber> numbers = find_numbers(text);
  if (numbers.empty()) return std::nullopt;
  const std::vector<size_t> places = announcements(text);
  const auto useful =
      std::ranges::find_if(places.rbegin(), places.rend(), [&](size_t behind) { return behind < numbers.back().end; });
  if (useful == places.rend()) return numbers.back();
  return *std::ranges::upper_bound(numbers, *useful, {}, &FoundNumber::end);
}

}  // namespace

std::vector<FoundNumber> find_numbers(std::string_view text) { return NumberReader(text).all(); }

Scorer numeric(const Json& options) {
  const Json known = options.is_null() ? Json::object() : options;
  const JsonReader in(known, "scorer", "the scorer's options");
  in.only({"percent"});
  const std::string percent = in.string("percent", "unit");
  if (percent != "unit" && percent != "hundredth") in.reject("percent", "to be unit or hundredth");
  const bool hundredth = percent == "hundredth";
  const auto value = [hundredth](const FoundNumber& number) {
    return hundredth && number.percent > 0 ? Rational(number.value / 100) : number.value;
  };
  Scorer out;
  out.name = "numeric";
  out.rule = "the number behind the answer's announcement, else the last number, equals the reference as a number";
  out.score = [value, hundredth](const Example& example, const std::string& text) {
    const auto found = answer_in(text);
    if (!found) return Score();
    const auto expected = answer_in(example.answer);
    // With the percent sign where it counts: what is extracted is the number that is compared, in votes too.
    const size_t end = found->end + (hundredth ? found->percent : 0);
    return Score{text.substr(found->begin, end - found->begin), true, expected && value(*found) == value(*expected)};
  };
  out.same = [value](const std::string& a, const std::string& b) {
    const auto first = answer_in(a), second = answer_in(b);
    return first && second && value(*first) == value(*second);
  };
  return out;
}

}  // namespace tacit
