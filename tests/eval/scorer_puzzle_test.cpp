#include <doctest/doctest.h>

#include "eval/scorers/arithmetic.h"
#include "eval/scorers/scorers.h"
#include "lib/core/rng.h"
#include "tests/lib/core_support.h"

namespace tacit {
namespace {

struct Case {
  const char *text, *answer;
  bool correct;
};

void check(const Scorer& scorer, const Example& example, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const Score score = scorer.score(example, c.text);
    CHECK(score.answer == c.answer);
    CHECK(score.extracted == !std::string(c.answer).empty());
    CHECK(score.correct == c.correct);
  }
}

}  // namespace

TEST_CASE("boolean: yes and true, no and false, and nothing else") {
  const Scorer rule = scorer("boolean");
  check(rule, {.id = "x", .answer = "True"},
        {{"True", "True", true},
         {"yes", "yes", true},
         {"YES.", "YES", true},
         {"No", "No", false},
         {"false, although true is near", "false", false},
         {"Stella is floral. True", "True", true},
         {"It is not so, no doubt. So the answer is yes, not no.", "yes", true},
         {"#### False", "False", false},
         {"It is not true.", "not true", false},
         {"It isn't a true statement", "isn't a true", false},
         {"no longer true", "no longer true", false},
         {"It is no longer a true statement", "no longer a true", false},
         {"No longer.", "No", false},
         {"No longer the case", "No", false},
         {"No longer. True, it was once.", "No", false},
         {"That is not-true.", "not true", false},
         {"Is it so or not - yes", "yes", true},
         {"It is never false", "never false", true},
         {"That is not a yes", "not a yes", false},
         {"The answer is not no", "not no", true},
         {"It is not so. True", "True", true},
         {"Is it so or not? Yes", "Yes", true},
         {"untrue", "", false},
         {"nobody knows", "", false},
         {"", "", false}});
  CHECK(rule.score({.id = "x", .answer = "no"}, "False").correct);
  CHECK(holds(error_of([&] { rule.score({.id = "q7", .answer = "maybe"}, "yes"); }), "'q7'"));
}

TEST_CASE("boxed: the last box, MATH's normal form") {
  check(scorer("boxed"), {.id = "x", .answer = "\\frac{1}{2}"},
        {{"so \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}", true},
         {"\\boxed{3} no, \\boxed{\\dfrac12}", "\\dfrac12", true},
         {"\\boxed{0.5}", "0.5", true},
         {"\\boxed{1/2}", "1/2", true},
         {"\\boxed{2}", "2", false},
         {"\\boxed{\\frac{1}{2}", "", false},
         {"The answer is $\\frac12$.\nOr so", "\\frac12", true},
         {"1/2", "1/2", true},
         {"a long\ntext without an answer", "", false}});
  const auto equal = [](const char* a, const char* b) {
    return scorer("boxed").score({.id = "x", .answer = b}, std::string("\\boxed{") + a + "}").correct;
  };
  for (const auto& [a, b] : {std::pair{"\\left(3,\\frac{\\pi}{2}\\right)", "(3, \\frac{\\pi}{2})"},
                             {"30^\\circ", "30"},
                             {"5\\text{ cm}", "5"},
                             {"\\text{Evelyn}", "Evelyn"},
                             {"x=7", "7"},
                             {"\\sqrt3", "\\sqrt{3}"},
                             {"10\\%", "10"}}) {
    CAPTURE(a);
    CHECK(equal(a, b));
    CHECK(equal(b, a));
  }
  CHECK_FALSE(equal("\\sqrt{3}", "3"));
  CHECK_FALSE(equal("(3,4)", "(4,3)"));
}

TEST_CASE("sudoku: a complete grid that keeps givens and rules, however it is written") {
  const Scorer rule = scorer("sudoku");
  const Example four{.id = "x", .answer = "3142243142131324", .meta = {{"puzzle", "3102200002100320"}}};
  check(rule, four,
        {{"3142243142131324", "3142243142131324", true},
         {"3142\n2431\n4213\n1324", "3142243142131324", true},
         {"|3 1|4 2|\n|2 4|3 1|\n-----\n|4 2|1 3|\n|1 3|2 4|", "3142243142131324", true},
         {"3102200002100320\n#### 3142243142131324", "3142243142131324", true},
         {"3142243142131324 is it", "3142243142131324", true},
         {"2143432112343412", "2143432112343412", false},  // another puzzle's
         {"3142243142131342", "3142243142131342", false},  // a column
         {"3102200002100320", "3102200002100320", false},  // the puzzle itself
         {"314224314213132", "", false},
         {"31422431421313245", "", false},
         {"no", "", false}});
  // Rows and columns hold, boxes do not.
  const Example empty{.id = "x", .meta = {{"puzzle", "................"}}};
  CHECK_FALSE(rule.score(empty, "1234234134124123").correct);
  CHECK(rule.score(empty, "1234341221434321").correct);
  const std::string nine = "534678912672195348198342567859761423426853791713924856961537284287419635345286179";
  Example large{.id = "x", .meta = {{"puzzle", "53..7...." + std::string(72, '.')}}};
  CHECK(rule.score(large, nine).correct);
  std::string swapped = nine;
  std::swap(swapped[2], swapped[3]);  // the row still holds every digit
  CHECK_FALSE(rule.score(large, swapped).correct);
  const std::string six = "123456456123231564564231312645645312";
  CHECK(rule.score({.id = "x", .meta = {{"puzzle", std::string(36, '0')}}}, six).correct);
  CHECK(holds(error_of([&] { rule.score({.id = "q"}, "1"); }), "meta.puzzle of 'q'"));
  CHECK(holds(error_of([&] { rule.score({.id = "q", .meta = {{"puzzle", "12"}}}, "1"); }), "16, 36 or 81"));
  CHECK(holds(error_of([&] { rule.score({.id = "q", .meta = {{"puzzle", "512............."}}}, "1"); }), "up to 4"));
}

TEST_CASE("countdown: an expression of the numbers gives the target, exactly") {
  const Example example{.id = "x", .meta = {{"numbers", {3, 3, 8, 8}}, {"target", 24}}};
  check(scorer("countdown"), example,
        {{"8/(3-8/3)", "8/(3-8/3)", true},
         {"8 / (3 - 8 / 3) = 24", "8 / (3 - 8 / 3)", true},
         {"3 * 8", "3 * 8", true},
         {"3 \u00d7 8 = 24.", "3 \u00d7 8", true},
         {"Answer: (8*3) = 24", "(8*3)", true},
         {"first 8-3=5\nthen\n#### 3*8", "3*8", true},
         {"<answer>3*8</answer>", "3*8", true},
         {"\\boxed{3*8}", "3*8", true},
         {"$\\boxed{(3)*{8} = 24}$", "(3)*{8}", true},
         {"24", "24", false},  // not one of the numbers
         {"3*3*8", "3*3*8", false},
         {"8*3*3/3", "8*3*3/3", false},  // 3 a third time
         {"8/0", "8/0", false},
         {"8/(3-3)", "8/(3-3)", false},
         {"3**8", "", false},
         {"(3*8", "", false},
         {"3*8 because", "", false},
         {"no idea", "", false},
         {"", "", false}});
  const Scorer all = scorer("countdown", {{"all", true}});
  CHECK(all.score(example, "8/(3-8/3)").correct);
  CHECK_FALSE(all.score(example, "3*8").correct);
  CHECK(all.score(example, "3*8").extracted);
  CHECK(holds(error_of([&] { all.score({.id = "q"}, "1"); }), "meta.numbers"));
  CHECK(holds(error_of([&] { all.score({.id = "q", .meta = {{"numbers", {"a"}}, {"target", 1}}}, "1"); }), "whole"));
  const std::string deep(100'000, '(');
  CHECK_FALSE(all.score(example, deep + "1").extracted);
  CHECK_FALSE(evaluate_arithmetic(std::string(70, '(') + "1" + std::string(70, ')')));
  CHECK_FALSE(evaluate_arithmetic(std::string(3000, '-') + "1"));
}

namespace {

// An expression drawn at random, with its value by doubles of small integers (sums and products alone, so exact).
struct Drawn {
  std::string text;
  double value;
};
Drawn draw(Rng& rng, int64_t depth) {
  if (depth == 0 || rng.below(4) == 0) {
    const int64_t n = rng.between(0, 9);
    return {std::to_string(n), static_cast<double>(n)};
  }
  const Drawn a = draw(rng, depth - 1), b = draw(rng, depth - 1);
  switch (rng.below(3)) {
    case 0: return {"(" + a.text + " + " + b.text + ")", a.value + b.value};
    case 1: return {"(" + a.text + "-" + b.text + ")", a.value - b.value};
    default: return {a.text + "*" + b.text, a.value * b.value};
  }
}

}  // namespace

TEST_CASE("arithmetic: drawn expressions have the value that ordinary arithmetic gives them; products bind first") {
  Rng rng(5);
  for (int64_t i = 0; i < 500; ++i) {
    const Drawn drawn = draw(rng, 4);
    CAPTURE(drawn.text);
    const auto found = evaluate_arithmetic(drawn.text);
    REQUIRE(found);
    REQUIRE(found->value);
    CHECK(*found->value == Rational(drawn.value));
  }
  CHECK(*evaluate_arithmetic("2+3*4-6/4")->value == Rational(25, 2));
  CHECK(*evaluate_arithmetic("2-3-4")->value == -5);
  CHECK(*evaluate_arithmetic("16/4/2")->value == 2);
  CHECK(*evaluate_arithmetic("-[2-{3}]")->value == 1);
  CHECK(evaluate_arithmetic("010+08")->numbers == std::vector<Integer>{10, 8});
}

TEST_CASE("choice_text: a letter or the choice's text") {
  const Example example{
      .id = "x", .answer = "green apple", .choices = {"red", "green apple", "apple", "a much longer choice"}};
  check(scorer("choice_text"), example,
        {{"(B)", "green apple", true},
         {"B", "green apple", true},
         {"B.", "green apple", true},
         {"B) green apple", "green apple", true},
         {"The answer is B.", "green apple", true},
         {"The answer is (b), not (A).", "green apple", true},
         {"(A) is wrong, so (B)", "green apple", true},
         {"The answer is \\boxed{B}", "green apple", true},
         {"The answer is $\\boxed{\\text{B}}$.", "green apple", true},
         {"The answer is option B", "green apple", true},
         {"The answer is option B because it is", "green apple", true},
         {"answer: b", "green apple", true},
         {"answer: b) it", "green apple", true},
         {"The answer is option Bravo", "", false},
         {"The answer is a man", "", false},
         {"The answer is option b, I think", "green apple", true},
         {"The answer is the choice a person makes: apple", "apple", false},
         {"The answer is option a or green apple", "green apple", true},
         {"The answer is $B$.", "green apple", true},
         {"B$ it is", "green apple", true},
         {"Green  Apple.", "green apple", true},
         {"I would say green apple", "green apple", true},
         {"apple", "apple", false},
         {"the answer is: apple", "apple", false},
         {"green apple or rather red", "red", false},
         {"#### A", "red", false},
         {"A man ate", "", false},
         {"(E)", "", false},
         {"reddish", "", false},
         {"", "", false}});
  const Scorer rule = scorer("choice_text");
  // The reference may be the letter, choices may carry theirs, numbers are not found in longer numbers.
  CHECK(rule.score({.id = "x", .answer = "(A)", .choices = {"red", "blue"}}, "red").correct);
  const Example lettered{.id = "x", .answer = "B", .choices = {"A)100 m", "B)150 m", "C)5"}};
  CHECK(rule.score(lettered, "150 m").correct);
  CHECK(rule.score(lettered, "B").correct);
  CHECK_FALSE(rule.score(lettered, "it is 0.5").extracted);
  CHECK_FALSE(rule.score(lettered, "it is 1,5").extracted);
  CHECK(rule.score(lettered, "it is 5.").answer == "C)5");
  // The currency's letter is no choice's.
  const Example prices{.id = "x", .answer = "A$20", .choices = {"C$20", "US$20", "A$20"}};
  CHECK(rule.score(prices, "C$20 it is").answer == "C$20");
  CHECK(rule.score(prices, "A$20 it is").correct);
  // Letters that are texts themselves.
  CHECK(rule.score({.id = "x", .answer = "A", .choices = {"B", "A"}}, "A").correct);
  CHECK(holds(error_of([&] { rule.score({.id = "q", .answer = "E", .choices = {"red", "blue"}}, "red"); }), "'q'"));
  CHECK(holds(error_of([&] { rule.score({.id = "q", .answer = "E"}, "red"); }), "'q' with choices"));
}

TEST_CASE("choice_likelihood: sums, and sums by characters, bytes and tokens") {
  const Example example{.id = "x", .answer = "\u96ea\u56fd", .choices = {"no", "\u96ea\u56fd", "yes!"}};
  //                                            characters 2, 2, 4; bytes 2, 6, 4
  const std::vector<ChoiceLikelihood> choices = {{-2.0, 1}, {-3.0, 1}, {-4.2, 6}};
  const auto chosen = [&](const char* name) { return scorer(name).score_choices(example, choices); };
  CHECK(chosen("choice_likelihood").answer == "no");
  CHECK(chosen("choice_likelihood_norm").answer == "no");  // -1, -1.5, -1.05
  CHECK(chosen("choice_likelihood_bytes").correct);        // -1, -.5, -1.05
  CHECK(chosen("choice_likelihood_mean").answer == "yes!");
  CHECK(scorer("choice_likelihood").score(example, "\u96ea\u56fd").correct);
  CHECK_FALSE(scorer("choice_likelihood").score(example, "\u96ea").extracted);
  CHECK(holds(error_of([&] { scorer("choice_likelihood").score_choices(example, {{-1, 1}}); }), "likelihoods of 3"));
}

}  // namespace tacit
