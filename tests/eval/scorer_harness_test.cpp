// Against lm-evaluation-harness itself: tests/eval/make_lm_eval_fixture.py.
#include <doctest/doctest.h>

#include <map>

#include "eval/scorers/boxed.h"
#include "eval/scorers/scorers.h"
#include "lib/core/files.h"
#include "tests/lib/core_support.h"

namespace tacit {
namespace {

Json harness_fixture(const std::string& name) {
  return read_json(std::filesystem::path(TACIT_SOURCE_DIR) / "tests/eval/fixtures" / name, "test");
}

// The harness compares what its filter gives, "[invalid]" included; here nothing was extracted then.
void check_same(const Score& ours, const Json& theirs) {
  const std::string answer = theirs.at("answer");
  const bool found = answer != "[invalid]" && !answer.empty();
  CHECK(ours.extracted == found);
  CHECK(ours.answer == (found ? answer : ""));
  CHECK(ours.correct == (theirs.at("score") == 1.0 && found));
}

}  // namespace

TEST_CASE("gsm8k_strict, gsm8k_flexible and gsm8k_cot say what lm-evaluation-harness says") {
  const Json cases = harness_fixture("lm_eval_gsm8k.json").at("cases");
  REQUIRE(cases.size() > 400);
  std::map<std::string, int64_t> right, invalid;
  for (const Json& one : cases) {
    Example example{.id = "x", .answer = one.at("target")};
    CAPTURE(one.at("text").get<std::string>());
    CAPTURE(example.answer);
    for (const char* name : {"gsm8k_strict", "gsm8k_flexible", "gsm8k_cot"}) {
      CAPTURE(name);
      check_same(scorer(name).score(example, one.at("text")), one.at(name));
      right[name] += one.at(name).at("score") == 1.0;
      invalid[name] += one.at(name).at("answer") == "[invalid]";
    }
  }
  for (const auto& [name, count] : right) {  // the fixture has all kinds
    CAPTURE(name);
    CHECK(count > 40);
    CHECK(invalid[name] > 20);
  }
}

TEST_CASE("exact_match with other filters and options says what lm-evaluation-harness says") {
  const Json cases = harness_fixture("lm_eval_exact_match.json").at("cases");
  REQUIRE(cases.size() > 150);
  for (const Json& one : cases) {
    Json options = one.at("options");
    options["filter"] = one.at("filter");
    Example example{.id = "x", .answer = one.at("target"), .choices = one.at("choices")};
    CAPTURE(options.dump());
    CAPTURE(one.at("text").get<std::string>());
    CAPTURE(example.answer);
    check_same(scorer("exact_match", options).score(example, one.at("text")), one);
  }
}

TEST_CASE("is_equiv and the last box are those of lm-evaluation-harness's hendrycks_math") {
  const Json all = harness_fixture("lm_eval_math.json");
  REQUIRE(all.at("is_equiv").size() > 250);
  for (const Json& one : all.at("is_equiv")) {
    CAPTURE(one.dump());
    CHECK(is_equiv(one.at("a"), one.at("b")) == one.at("equal").get<bool>());
  }
  for (const Json& one : all.at("boxed")) {
    CAPTURE(one.dump());
    const std::string text = one.at("text");
    if (text == "\\fbox{3}") {  // on purpose: there the original's own next step fails
      CHECK(last_boxed(text) == "3");
    } else {
      const auto expected =
          one.at("answer").is_null() ? std::optional<std::string>() : one.at("answer").get<std::string>();
      CHECK(last_boxed(text) == expected);
    }
  }
}

TEST_CASE("where numeric differs from the harness on purpose: numbers that are equal, and announcements") {
  struct Case {
    const char *text, *reference;
    const char* harness;  // the scorer that says otherwise
    bool numeric, theirs;
  };
  for (const Case& c : {Case{"#### $29.00", "29", "gsm8k_strict", true, false},
                        {"#### 29.00", "29", "gsm8k_strict", true, false},
                        {"#### 29.", "29", "gsm8k_strict", true, true},
                        {"It costs $29.00", "29", "gsm8k_flexible", true, false},
                        {"\u22127", "-7", "gsm8k_flexible", true, false},
                        {"#### 18\nThat leaves 3.", "18", "gsm8k_flexible", true, false},
                        {"16-3", "-3", "gsm8k_flexible", false, true},
                        {"1/2", "0.5", "gsm8k_flexible", true, false},
                        {"#### 1,4,0,0", "1400", "gsm8k_strict", false, true}}) {
    CAPTURE(c.text);
    const Example example{.id = "x", .answer = c.reference};
    CHECK(scorer("numeric").score(example, c.text).correct == c.numeric);
    CHECK(scorer(c.harness).score(example, c.text).correct == c.theirs);
  }
}

TEST_CASE("a text of 200 kB needs no more stack than a short one, a pattern that explodes ends in an error") {
  const Example example{.id = "x",
                        .answer = "18",
                        .choices = {"18", "13,000"},
                        .meta = {{"puzzle", "1234341221434320"}, {"numbers", {18}}, {"target", 18}}};
  std::string text;
  while (text.size() < 200'000) text += "16 - 3 = $13,000.00, (a) #### ";
  text += "18";
  for (const std::string& name : scorer_names()) {
    if (name == "proof") continue;  // needs another question
    CAPTURE(name);
    scorer(name).score(example, text);
  }
  CHECK(scorer("gsm8k_flexible").score(example, text).correct);
  CHECK(scorer("numeric").score(example, text).correct);
  CHECK(scorer("countdown").score(example, text).correct);
  CHECK(scorer("choice_text").score(example, text).correct);
  const Json filter = {{"function", "regex"}, {"regex_pattern", "(a+)+[bc]"}};
  const Scorer explodes = scorer("exact_match", {{"filter", filter}});
  CHECK(holds(error_of([&] { explodes.score(example, std::string(5000, 'a')); }),
              "[score] expected to match '(a+)+[bc]'"));
}

TEST_CASE("scorers: what is unknown or misspelt is named") {
  struct Case {
    const char* name;
    Json options;
    const char* part;
  };
  for (const Case& c : {Case{"numerc", {}, "did you mean 'numeric'?"},
                        {"numeric", {{"percnt", "unit"}}, "'percnt'"},
                        {"numeric", {{"percent", "half"}}, "unit or hundredth"},
                        {"boolean", {{"x", 1}}, "no options of 'boolean'"},
                        {"exact_match", {{"filter", {{"function", "regexp"}}}}, "did you mean 'regex'?"},
                        {"exact_match", {{"filter", 3}}, "'filter'"},
                        {"exact_match", {{"filter", Json::array({3})}}, "filter[0]"},
                        {"exact_match", {{"regexes_to_ignore", {"("}}}, "regular expression"},
                        {"exact_match", {{"ignore_case", "yes"}}, "'ignore_case'"},
                        {"countdown", {{"all", 1}}, "'all'"}}) {
    CAPTURE(c.name);
    const std::string error = error_of([&] { scorer(c.name, c.options); });
    CAPTURE(error);
    CHECK(holds(error, c.part));
  }
}

}  // namespace tacit
