#include <doctest/doctest.h>

#include "eval/scorers/numeric.h"
#include "eval/scorers/scorers.h"
#include "lib/core/rng.h"
#include "tests/lib/core_support.h"

namespace tacit {
namespace {

Score scored(const std::string& text, const std::string& reference, const Json& options = {}) {
  return scorer("numeric", options).score({.id = "x", .answer = reference}, text);
}

}  // namespace

TEST_CASE("numbers are read exactly, as people write them") {
  struct Case {
    const char *text, *value;
    const char* written;
  };
  for (const Case& c :
       {Case{"29", "29", "29"},
        {"$29.00", "29", "29.00"},
        {"29.0 dollars", "29", "29.0"},
        {"1,400", "1400", "1,400"},
        {"$1,234,567.50", "2469135/2", "1,234,567.50"},
        {".5", "1/2", ".5"},
        {"1/2", "1/2", "1/2"},
        {"1,500/3,000", "1/2", "1,500/3,000"},
        {"15/3,000", "1/200", "15/3,000"},
        {"3/1{,}500", "1/500", "3/1{,}500"},
        {"2 1/2 hours", "5/2", "2 1/2"},
        {"2,000 1/2", "4001/2", "2,000 1/2"},
        {"3\\frac{1}{2}", "7/2", "3\\frac{1}{2}"},
        {"3 \\frac{1}{2}", "7/2", "3 \\frac{1}{2}"},
        {"-3\\frac12", "-7/2", "-3\\frac12"},
        {"\\boxed{3\\frac{1}{2}}", "7/2", "3\\frac{1}{2}"},
        {"\\frac12", "1/2", "\\frac12"},
        {"\\frac{1}2", "1/2", "\\frac{1}2"},
        {"\\frac1{12}", "1/12", "\\frac1{12}"},
        {"1{,}400", "1400", "1{,}400"},
        {"1\\,400", "1400", "1\\,400"},
        {"12,\\!345,\\!678", "12345678", "12,\\!345,\\!678"},
        {"\\frac{3}{4}", "3/4", "\\frac{3}{4}"},
        {"\\dfrac{6}{8}", "3/4", "\\dfrac{6}{8}"},
        {"-7", "-7", "-7"},
        {"\u22127", "-7", "\u22127"},
        {"-$5", "-5", "-$5"},
        {"$-5", "-5", "-5"},
        {"\u20ac1,000", "1000", "1,000"},
        {"\\$12", "12", "12"},
        {"1e3", "1000", "1e3"},
        {"1.5E-3", "3/2000", "1.5E-3"},
        {"1.5 x 10^3", "1500", "1.5 x 10^3"},
        {"2 \\times 10^{-2}", "1/50", "2 \\times 10^{-2}"},
        {"3\u00d710^2", "300", "3\u00d710^2"},
        {"007", "7", "007"},
        {"0", "0", "0"},
        {"12.", "12", "12"},
        {"123456789012345678901234567890.5", "246913578024691357802469135781/2", "123456789012345678901234567890.5"},
        {"50%", "50", "50"}}) {
    CAPTURE(c.text);
    const auto found = find_numbers(c.text);
    REQUIRE(found.size() == 1);
    CHECK(found[0].value == Rational(std::string(c.value)));
    CHECK(std::string(c.text).substr(found[0].begin, found[0].end - found[0].begin) == c.written);
  }
}

TEST_CASE("what only looks like one number is several, or none") {
  const auto values = [](const std::string& text) {
    std::string out;
    for (const FoundNumber& n : find_numbers(text)) out += (out.empty() ? "" : " ") + n.value.str();
    return out;
  };
  CHECK(values("16-3") == "16 3");
  CHECK(values("16 - 3 = 13") == "16 3 13");
  CHECK(values("16 -3") == "16 -3");
  CHECK(values("(5)-3") == "5 3");
  CHECK(values("1,5") == "1 5");
  CHECK(values("1,4000") == "1 4000");
  CHECK(values("1234,567") == "1234 567");
  CHECK(values("3, 4") == "3 4");
  CHECK(values("12/05/2020") == "12 5 2020");
  CHECK(values("1/0") == "1 0");
  CHECK(values("\\frac{1}{0}") == "1 0");
  CHECK(values("\\frac{a}{b}") == "");
  CHECK(values("4 12") == "4 12");
  CHECK(values("4 3/2") == "4 3/2");
  CHECK(values("1/2,5") == "1/2 5");
  CHECK(values("1/3,000.5") == "1 6001/2");
  CHECK(values("1/2,000/3") == "1 2000 3");
  CHECK(values("x^2 \\frac{1}{2}") == "2 1/2");
  CHECK(values("x^-2 1/2") == "-2 1/2");
  CHECK(values("\\log_2 \\frac{1}{2}") == "2 1/2");
  CHECK(values("4\\frac{3}{2}") == "4 3/2");
  CHECK(values("\\frac123") == "123");
  CHECK(values("1{,}40") == "1 40");
  CHECK(values("no number") == "");
  CHECK(values("$ . , - \u2212") == "");
  CHECK(values("1e999999") == "");
  CHECK(values("1e-99999999999999999999") == "");
  CHECK(values(std::string(1001, '9')) == "");
  CHECK(values("x2") == "2");
  CHECK(values("\\frac{") == "");
  CHECK(values("\\frac{1}{") == "1");
}

TEST_CASE("the number behind the answer's announcement counts, else the last") {
  struct Case {
    const char *text, *answer;
  };
  for (const Case& c : {Case{"18", "18"},
                        {"3 apples and 15 pears are 18 fruits", "18"},
                        {"16 - 3 = 13\n#### 13", "13"},
                        {"#### 13 of 20", "13"},
                        {"The answer is $18. He has 4 left.", "18"},
                        {"**Answer:** 18, not 20", "18"},
                        {"so \\boxed{\\frac{1}{2}} for 3", "\\frac{1}{2}"},
                        {"#### 5\n#### 6", "6"},
                        {"It is 5. #### none", "5"},
                        {"The answer is 5. The answer is unclear.", "5"},
                        {"5 ####", "5"},
                        {"#### 1,500/3,000", "1,500/3,000"},
                        {"<answer>7</answer> 8", "7"},
                        {"none", ""},
                        {"", ""}}) {
    CAPTURE(c.text);
    const Score score = scored(c.text, "1");
    CHECK(score.answer == c.answer);
    CHECK(score.extracted == (std::string(c.answer) != ""));
  }
}

TEST_CASE("equality of numbers is symmetric and transitive, whatever the spelling") {
  // Every spelling of one value with every spelling of the others.
  const std::vector<std::vector<std::string>> values = {
      {"29", "$29.00", "29.0", "29 dollars", "29.", "29/1", "58/2", "2.9e1", "$29"},
      {"0.5", ".5", "1/2", "\\frac{1}{2}", "2/4", "5e-1", "0.50"},
      {"-1400", "\u22121,400", "-$1,400.00", "-1.4e3"},
      {"0", "0.0", "0/5", "$0.00"},
      {"0.1", "1/10"},
      {"0.1000000000000000055511151231257827", "0.10000000000000000555111512312578270"}};  // the double nearest to 0.1
  for (size_t a = 0; a < values.size(); ++a) {
    for (size_t b = 0; b < values.size(); ++b) {
      for (const std::string& x : values[a]) {
        for (const std::string& y : values[b]) {
          CAPTURE(x);
          CAPTURE(y);
          CHECK(scored(x, y).correct == (a == b));
        }
      }
    }
  }
}

TEST_CASE("scorers say which answers are one, and those that check an answer by itself do not") {
  struct Case {
    const char *scorer, *a, *b;
    bool same;
  };
  for (const Case& c : {Case{"numeric", "72", "72.0", true},
                        {"numeric", "1,000", "1000", true},
                        {"numeric", "72", "73", false},
                        {"numeric", "none", "none at all", false},
                        {"gsm8k_flexible", "1,000", "1000", true},
                        {"gsm8k_flexible", "72", "72.0", false},  // nor does the harness take one for the other
                        {"boxed", "\\frac{1}{2}", "\\frac12", true},
                        {"boxed", "2", "3", false},
                        {"boolean", "yes", "True", true},
                        {"boolean", "yes", "no", false},
                        {"sentence", "Tom is a lempus.", "Tom is  a lempus", true},
                        {"first_word", "7", "7.0", false}}) {
    CAPTURE(c.scorer);
    CAPTURE(c.a);
    CAPTURE(c.b);
    CHECK(scorer(c.scorer).same(c.a, c.b) == c.same);
    CHECK(scorer(c.scorer).same(c.b, c.a) == c.same);
  }
  CHECK(scorer("first_word", {{"ignore_commas", true}}).same("1,000", "1000"));
  // Whether these are right does not depend on a reference's text: equality by it would be a look at the truth.
  for (const char* name : {"countdown", "sudoku", "proof", "choice_text"}) CHECK_FALSE(scorer(name).same);
}

TEST_CASE("a number is found again in any spelling of it (drawn)") {
  Rng rng(3);
  for (int64_t i = 0; i < 300; ++i) {
    const int64_t whole = rng.between(0, 2'000'000), cents = rng.between(0, 99);
    std::string digits = std::to_string(whole), grouped = digits;
    for (int64_t at = std::ssize(digits) - 3; at > 0; at -= 3) grouped.insert(static_cast<size_t>(at), ",");
    const std::string tail = "." + std::string(cents < 10 ? "0" : "") + std::to_string(cents);
    const std::string plain = digits + tail, fraction = std::to_string(whole * 100 + cents) + "/100";
    CAPTURE(plain);
    for (const std::string& a : {plain, "$" + grouped + tail, fraction, "So we get " + grouped + tail + " in all."}) {
      CHECK(scored(a, plain).correct);
      CHECK(scored(plain, a).correct);
      CHECK(scored(a, "-" + plain).correct == (whole + cents == 0));
    }
  }
}

TEST_CASE("percent: the same number by default, a hundredth where asked for") {
  CHECK(scored("50%", "50").correct);
  CHECK_FALSE(scored("50%", "0.5").correct);
  CHECK(scored("50%", "0.5", {{"percent", "hundredth"}}).correct);
  CHECK(scored("50 percent", "1/2", {{"percent", "hundredth"}}).correct);
  CHECK_FALSE(scored("50%", "50", {{"percent", "hundredth"}}).correct);
  CHECK(scored("12.5\\%", "12.5%").correct);
}

TEST_CASE("percent: where it is a hundredth it belongs to the answer, so that votes group by the number") {
  const Json hundredth = {{"percent", "hundredth"}};
  const auto same = [&](const char* a, const char* b, const Json& options) {
    return scorer("numeric", options).same(scored(a, "1", options).answer, scored(b, "1", options).answer);
  };
  for (const char* percent : {"50%", "It is 50 %.", "50 percent", "#### 50\\% of 8"}) {
    CAPTURE(percent);
    CHECK(same(percent, "0.5", hundredth));
    CHECK(same(percent, "50%", hundredth));
    CHECK_FALSE(same(percent, "50", hundredth));
    CHECK(same(percent, "50", {}));
    CHECK(scored(percent, "1").answer == "50");
  }
  CHECK(scored("50%, so", "1", hundredth).answer == "50%");
}

TEST_CASE("a reference without a number is never reached") {
  CHECK_FALSE(scored("5", "five").correct);
  CHECK(scored("5", "five").extracted);
  CHECK_FALSE(scored("", "").extracted);
}

}  // namespace tacit
