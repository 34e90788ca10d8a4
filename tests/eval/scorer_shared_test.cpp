// Public files: the reference of every problem is right by the rule that it is scored with.
#include <doctest/doctest.h>

#include <sstream>

#include "eval/scorers/scorers.h"
#include "lib/core/files.h"
#include "tests/lib/core_support.h"
#include "tests/support/test_data.h"

namespace tacit {

TEST_CASE("GSM8K: every reference solution is right by gsm8k_strict and numeric, as is its bare number") {
  const auto path = test::data("gsm8k/test.jsonl");
  if (!path) return;
  int64_t all = 0;
  for_each_line(*path, "test", [&](std::string_view line, int64_t) {
    const std::string solution = Json::parse(line).at("answer");
    Example example{.id = std::to_string(all++), .answer = solution.substr(solution.rfind("#### ") + 5)};
    CAPTURE(solution);
    for (const char* name : {"gsm8k_strict", "numeric"}) CHECK(scorer(name).score(example, solution).correct);
    CHECK(scorer("numeric").score(example, "It costs $" + example.answer + ".00.").correct);
    CHECK(scorer("gsm8k_flexible").score(example, example.answer).correct);
  });
  CHECK(all == 1319);
}

TEST_CASE("MATH-500: every reference is right in a box, and none but its equals") {
  const auto path = test::data("math500/math500.json");
  if (!path) return;
  int64_t all = 0, others = 0;
  std::string before = "no answer";
  for (const Json& item : read_json(*path, "test")) {
    const Example example{.id = std::to_string(all++), .answer = item.at("final_answer")};
    CAPTURE(example.answer);
    const Scorer rule = scorer("boxed");
    CHECK(rule.score(example, "So we have $\\boxed{" + example.answer + "}$.").correct);
    others += rule.score(example, "\\boxed{" + before + "}").correct;
    before = example.answer;
  }
  CHECK(all == 500);
  CHECK(others < 10);  // neighbours with the same small number
}

TEST_CASE("Sudoku: every published solution solves its puzzle, no other one's does") {
  const auto path = test::data("sudoku/4x4_test_sudoku.csv");
  if (!path) return;
  int64_t all = 0, others = 0;
  std::string before = "1234341221434321";
  for_each_line(*path, "test", [&](std::string_view line, int64_t number) {
    if (number == 1 || line.size() < 33) return;
    const Example example{.id = "x", .meta = {{"puzzle", std::string(line.substr(0, 16))}}};
    const std::string solution(line.substr(17, 16));
    ++all;
    CAPTURE(solution);
    CHECK(scorer("sudoku").score(example, solution).correct);
    CHECK_FALSE(scorer("sudoku").score(example, std::string(line.substr(0, 16))).correct);
    others += before != solution && scorer("sudoku").score(example, before).correct;
    before = solution;
  });
  CHECK(all > 10);
  CHECK(others < all / 10);  // a puzzle may have several solutions
}

TEST_CASE("the reference chains of the published files are proofs") {
  for (const char* file : {"prosqa/prosqa_valid.json", "prontoqa/prontoqa_valid.json"}) {
    const auto path = test::data(file);
    if (!path) return;
    int64_t proved = 0, all = 0;
    for (const Json& item : read_json(*path, "test")) {
      const Example example{.id = std::to_string(all), .question = item.at("question"), .answer = item.at("answer")};
      const std::string chain = joined(item.at("steps").get<std::vector<std::string>>(), "\n");
      ++all;
      proved += scorer("proof").score(example, chain + "\n### " + example.answer).correct;
    }
    CAPTURE(file);
    CHECK(all >= 200);
    CHECK(proved == all);
  }
}

}  // namespace tacit
