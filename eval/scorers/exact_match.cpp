#include "eval/scorers/exact_match.h"

#include <algorithm>
#include <cctype>
#include <functional>
#include <optional>

#include "eval/scorers/pattern.h"
#include "eval/scorers/plain_text.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

constexpr const char* kScorer = "scorer";
constexpr const char* kInvalid = "[invalid]";

struct Ignore {
  std::vector<Pattern> patterns;
  bool letter_case = false, punctuation = false, numbers = false;
  bool unicode = false;  // what counts as punctuation: Unicode's category P, or string.punctuation

  std::string operator()(std::string text) const {
    for (const Pattern& pattern : patterns) text = pattern.removed(text);
    if (letter_case) text = lower_case(text);
    if (punctuation) text = unicode ? without_unicode_punctuation(text) : without_punctuation(text);
    if (numbers) std::erase_if(text, [](char c) { return c >= '0' && c <= '9'; });
    return text;
  }
};

Ignore read_ignore(const JsonReader& in) {
  Ignore out;
  if (in.has("regexes_to_ignore")) {
    for (const std::string& pattern : in.strings("regexes_to_ignore")) out.patterns.emplace_back(pattern);
  }
  out.letter_case = in.boolean("ignore_case", false);
  out.punctuation = in.boolean("ignore_punctuation", false);
  out.numbers = in.boolean("ignore_numbers", false);
  return out;
}

// A step of a filter; nothing = there is no answer.
using Step = std::function<std::optional<std::string>(const Example& example, const std::string& text)>;

// The selected match of a findall: all of it, or the first of its groups that is not empty. Nothing where there is no
// such match; "" where all its groups are empty.
std::optional<std::string> selected(const std::vector<std::vector<std::string>>& matches, int64_t select) {
  const int64_t place = select < 0 ? std::ssize(matches) + select : select;
  if (place < 0 || place >= std::ssize(matches)) return std::nullopt;  // the harness fails unless there is no match
  const auto found = std::ranges::find_if(matches[place], [](const std::string& group) { return !group.empty(); });
  return found == matches[place].end() ? "" : *found;
}

struct Selection {
  Pattern pattern;
  int64_t select;
  std::optional<std::string> fallback;
};

Selection read_selection(const JsonReader& in) {
  const std::string fallback = in.string("fallback", kInvalid);
  Selection out{Pattern(in.string("regex_pattern", "#### (\\-?[0-9\\.\\,]+)")), in.integer("group_select", 0),
                fallback};
  if (fallback == kInvalid) out.fallback.reset();
  return out;
}

Step regex_step(const JsonReader& in) {
  in.only({"function", "regex_pattern", "group_select", "fallback"});
  return [how = read_selection(in)](const Example&, const std::string& text) -> std::optional<std::string> {
    const auto matches = how.pattern.find_all(text);
    const bool groups = !matches.empty() && matches[0].size() > 1;
    const auto found = selected(matches, how.select);
    // Of several groups that are all empty the harness takes the fallback; a match or one group may be empty.
    if (!found || (groups && found->empty())) return how.fallback;
    return stripped(*found);
  };
}

// Letters "A", "B", .. of the choices, as "(A)".
std::string lettered(size_t choice) { return std::string("(") + static_cast<char>('A' + choice) + ")"; }

// Python's re.escape, as far as it matters to PCRE2.
std::string regex_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c > 0 && c != '_' && !std::isalnum(static_cast<unsigned char>(c))) out += '\\';
    out += c;
  }
  return out;
}

// The pattern; else a choice's text, turned into its letter; else a letter behind a colon.
Step multi_choice_step(const JsonReader& in) {
  in.only({"function", "regex_pattern", "group_select", "fallback", "ignore_case", "ignore_punctuation",
           "regexes_to_ignore"});
  Ignore ignore = read_ignore(in);
  ignore.unicode = true;
  return [how = read_selection(in), ignore](const Example& example,
                                            const std::string& text) -> std::optional<std::string> {
    require(!example.choices.empty() && example.choices.size() <= 26, "score",
            "expected 1 to 26 choices for multi_choice_regex but got ", example.choices.size(), " in '", example.id,
            "'");
    const auto direct = selected(how.pattern.find_all(text), how.select);
    if (direct && !stripped(*direct).empty()) return stripped(*direct);
    std::vector<std::string> plain, alternatives;
    std::string letters;
    for (size_t i = 0; i < example.choices.size(); ++i) {
      plain.push_back(ignore(stripped(example.choices[i])));
      alternatives.push_back(regex_escaped(plain.back()));
      letters += (i > 0 ? "|" : "") + std::string(1, static_cast<char>('A' + i));
    }
    std::ranges::stable_sort(alternatives, std::greater<>(), &std::string::size);
    std::string any;
    for (const std::string& one : alternatives) any += (any.empty() ? "" : "|") + one;
    const auto named = selected(Pattern(any).find_all(ignore(text)), how.select);
    if (named && !stripped(*named).empty()) {
      const auto last = std::ranges::find(plain.rbegin(), plain.rend(), stripped(*named));  // of equal choices the last
      return last == plain.rend() ? stripped(*named) : lettered(static_cast<size_t>(plain.rend() - last) - 1);
    }
    const auto letter = selected(Pattern(":[\\s]*(" + letters + ")").find_all(text), how.select);
    if (letter && !letter->empty()) return "(" + *letter + ")";
    return how.fallback;
  };
}

Step read_step(const Json& json, size_t number) {
  const std::string prefix = "filter[" + std::to_string(number) + "]";
  require(json.is_object(), kScorer, "expected '", prefix, "' to be an object but got ", json.dump());
  const JsonReader in(json, kScorer, "the scorer's options", prefix);
  const std::string function = in.string("function");
  if (function == "regex") return regex_step(in);
  if (function == "multi_choice_regex") return multi_choice_step(in);
  in.only({"function"});
  if (function == "take_first") return [](const Example&, const std::string& text) { return text; };
  if (function == "remove_whitespace") return [](const Example&, const std::string& text) { return stripped(text); };
  if (function == "lowercase") return [](const Example&, const std::string& text) { return lower_case(text); };
  if (function == "uppercase") return [](const Example&, const std::string& text) { return upper_case(text); };
  const std::vector<std::string> known = {"regex",     "multi_choice_regex", "take_first", "remove_whitespace",
                                          "lowercase", "uppercase"};
  in.reject("function", "to be regex, multi_choice_regex, take_first, remove_whitespace, lowercase or uppercase" +
                            did_you_mean(function, known));
}

std::vector<Step> read_steps(const Json& options) {
  std::vector<Step> out;
  if (!options.contains("filter") || options.at("filter").is_null()) return out;
  const Json& filter = options.at("filter");
  if (filter.is_object()) return {read_step(filter, 0)};
  require(filter.is_array(), kScorer, "expected 'filter' to be a list of filters but got ", filter.dump());
  for (size_t i = 0; i < filter.size(); ++i) out.push_back(read_step(filter[i], i));
  return out;
}

// The options of the harness's gsm8k and gsm8k_cot.
Json gsm8k_options(const std::string& pattern, int64_t select) {
  return {{"regexes_to_ignore", {",", "\\$", "(?s).*#### ", "\\.$"}},
          {"ignore_case", true},
          {"filter", {{{"function", "regex"}, {"regex_pattern", pattern}, {"group_select", select}}}}};
}

}  // namespace

Scorer exact_match(const Json& options, const std::string& name, const std::string& rule) {
  const Json known = options.is_null() ? Json::object() : options;
  const JsonReader in(known, kScorer, "the scorer's options");
  in.only({"filter", "regexes_to_ignore", "ignore_case", "ignore_punctuation", "ignore_numbers"});
  const Ignore ignore = read_ignore(in);
  const std::vector<Step> steps = read_steps(known);
  Scorer out;
  out.name = name;
  out.rule = rule.empty() ? "the text, filtered, equals the reference, as in lm-evaluation-harness" : rule;
  out.score = [ignore, steps](const Example& example, const std::string& text) {
    std::optional<std::string> answer = text;
    for (const Step& step : steps) {
      answer = step(example, *answer);
      if (!answer) return Score();
    }
    const bool found = !answer->empty();
    return Score{*answer, found, found && ignore(*answer) == ignore(example.answer)};
  };
  out.same = [ignore](const std::string& a, const std::string& b) { return ignore(a) == ignore(b); };
  return out;
}

Scorer gsm8k_strict() {
  return exact_match(gsm8k_options("#### (\\-?[0-9\\.\\,]+)", 0), "gsm8k_strict",
                     "the first number behind \"#### \", as in lm-evaluation-harness's gsm8k");
}

Scorer gsm8k_flexible() {
  return exact_match(gsm8k_options("(-?[$0-9.,]{2,})|(-?[0-9]+)", -1), "gsm8k_flexible",
                     "the last number, as in lm-evaluation-harness's gsm8k");
}

Scorer gsm8k_cot() {
  return exact_match(gsm8k_options("The answer is (\\-?[0-9\\.\\,]+).", 0), "gsm8k_cot",
                     "the first number behind \"The answer is \", as in lm-evaluation-harness's gsm8k_cot");
}

}  // namespace tacit
