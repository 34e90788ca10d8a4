#include "eval/scorers/countdown.h"

#include <algorithm>
#include <cctype>

#include "eval/scorers/arithmetic.h"
#include "eval/scorers/plain_text.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

bool has_digit(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// The first, or the last, line with a digit.
std::string digit_line(std::string_view text, bool last) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (has_digit(text.substr(0, end))) {
      out = text.substr(0, end);
      if (!last) break;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// Up to the brace that closes the box, as in \boxed{(1+2)*8}.
std::string within_box(const std::string& line) {
  int64_t open = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '{') ++open;
    if (line[i] == '}' && --open < 0) return line.substr(0, i);
  }
  return line;
}

std::string expression(const Example&, const std::string& text) {
  std::string line = digit_line(announced(text), /*last=*/announcements(text).empty());
  line = line.substr(0, line.find("</answer>"));
  line = stripped(within_box(line.substr(0, line.find('='))));
  while (line.ends_with('.') || line.ends_with('$') || line.ends_with('*')) line.pop_back();
  while (line.starts_with('$') || line.starts_with('*')) line.erase(0, 1);
  return evaluate_arithmetic(line) ? stripped(line) : "";
}

Integer integer_in(const Json& json, const Example& example, const char* name) {
  require(json.is_number_integer(), "score", "expected ", name, " of '", example.id, "' to be whole but got ",
          json.dump());
  return Integer(json.get<int64_t>());
}

struct Puzzle {
  std::vector<Integer> numbers;
  Integer target;
};

Puzzle puzzle_of(const Example& example) {
  const Json meta = example.meta;
  require(meta.is_object() && meta.contains("numbers") && meta["numbers"].is_array() && meta.contains("target"),
          "score", "expected meta.numbers, a list, and meta.target of '", example.id, "'");
  Puzzle out;
  for (const Json& number : meta["numbers"]) out.numbers.push_back(integer_in(number, example, "meta.numbers"));
  out.target = integer_in(meta["target"], example, "meta.target");
  return out;
}

bool solves(const Puzzle& puzzle, const std::string& text, bool all) {
  const auto found = evaluate_arithmetic(text);
  if (!found || !found->value || *found->value != puzzle.target) return false;
  std::vector<Integer> left = puzzle.numbers;
  for (const Integer& number : found->numbers) {
    const auto place = std::ranges::find(left, number);
    if (place == left.end()) return false;
    left.erase(place);
  }
  return !all || left.empty();
}

}  // namespace

Scorer countdown(const Json& options) {
  const Json known = options.is_null() ? Json::object() : options;
  const JsonReader in(known, "scorer", "the scorer's options");
  in.only({"all"});
  const bool all = in.boolean("all", false);
  Scorer out = make_scorer("countdown",
                           all ? "an expression of all the numbers, each once, gives the target"
                               : "an expression of the numbers, each at most once, gives the target",
                           expression, [all](const Example& example, const std::string& answer) {
                             return solves(puzzle_of(example), answer, all);
                           });
  out.by_itself = true;
  return out;
}

}  // namespace tacit
