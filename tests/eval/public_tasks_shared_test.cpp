#include <doctest/doctest.h>

#include <numeric>
#include <set>

#include "eval/public_tasks.h"
#include "eval/task.h"
#include "lib/core/files.h"
#include "tests/eval/task_support.h"
#include "tests/support/test_data.h"

// The published files, whole.

namespace tacit {
namespace {

struct Published {
  const char *task, *file;
  size_t examples;
  std::string first_question, first_answer, last_question, last_answer;  // a question's beginning
};

void check_file(const Published& p) {
  CAPTURE(p.file);
  const auto file = test::data(p.file);
  if (!file) return;
  const Task& of = task(p.task);
  const std::vector<Example> examples = load_examples(of, {.data = *file});
  REQUIRE(examples.size() == p.examples);
  CHECK(examples.front().question.starts_with(p.first_question));
  CHECK(examples.front().answer == p.first_answer);
  CHECK(examples.back().question.starts_with(p.last_question));
  CHECK(examples.back().answer == p.last_answer);
  CHECK(examples.back().id == file->stem().string() + "/" + std::to_string(p.examples - 1));
  if (of.prompt.solution.empty()) return;  // no solutions to be right by
  std::string wrong;
  int64_t count = 0;
  for (const Example& example : examples) {
    if (of.scorers[0].score(example, test::right_text(of, example)).correct) continue;
    if (count++ < 5) wrong += example.id + " ";
  }
  CAPTURE(wrong);
  CHECK(count == 0);
}

TEST_CASE("word problems") {
  check_file({"gsm8k", "gsm8k/train.jsonl", 7473, "Natalia sold clips to 48", "72", "At 30, Anika is 4/3", "50"});
  check_file({"gsm8k", "gsm8k/test.jsonl", 1319, "Janet\u2019s ducks lay 16 eggs", "18",
              "Henry and 3 of his friends order 7 pizzas", "14"});
  check_file({"gsm8k_aug", "gsm8k_aug/test.txt", 1319, "Janet", "18", "Henry", "14"});
  check_file({"svamp", "svamp/SVAMP.json", 1000,
              "Each pack of dvds costs 76 dollars. If there is a discount of 25 dollars on each pack. How much", "51",
              "The grasshopper and the frog", "11"});
  check_file({"aqua", "aqua/dev.json", 254, "Three birds are flying", "A", "", "A"});
  check_file({"aqua", "aqua/test.json", 254, "A car is being driven", "A", "", "A"});
  check_file({"math500", "math500/math500.json", 500, "Convert the point $(0,3)$",
              "\\left( 3, \\frac{\\pi}{2} \\right)", "Altitudes $", "106^\\circ"});
}

TEST_CASE("yes or no, true or false") {
  check_file({"strategyqa", "strategyqa/strategyqa_train_filtered.json", 2821, "Did the Hopi Indians", "yes",
              "Are Lentil able", "yes"});
  check_file({"prontoqa", "prontoqa/prontoqa_valid.json", 200, "Tumpuses are floral.", "True", "Vumpuses are tumpuses.",
              "True"});
  check_file({"prontoqa", "prontoqa/prontoqa_test.json", 800, "Brimpuses are not luminous.", "False",
              "Grimpuses are numpuses.", "True"});
}

TEST_CASE("puzzles and lists") {
  check_file({"sudoku", "sudoku/4x4_test_sudoku.csv", 500, "3102200002100320", "3142243142131324", "4103020403002030",
              "4123321413422431"});
  check_file(
      {"countdown", "countdown/24.csv", 1362, "Use 1, 1, 4, 6 to make 24.", "24", "Use 2, 3, 5, 12 to make 24.", "24"});
  check_file({"countdown", "countdown/countdown_cd3_test.jsonl", 256, "Use 30, 100, 93 to make 23.", "23",
              "Use 21, 39, 89 to make 71.", "71"});
  check_file({"listops", "listops/test_d5f.tsv", 10000, "[FIRST 2 5 6 2 [FIRST 7 3 [FIRST 8 7 ] ] ]", "2",
              "[FIRST [MED 7 7 5 ] 6 [MAX 1 6 6 3 1 ] 8 2 ]", "7"});
  check_file({"listops", "listops/test_d8.tsv", 10000, "[MAX 2 [FIRST 9 6 ] ]", "9",
              "[LAST [MAX [FIRST 0 3 ] 7 3 ] 2 3 ]", "3"});
  check_file({"multiplication", "multiplication/4_by_4/valid.txt", 1000, "5 6 3 2 * 7 4 3 4", "5 5 6 0 8 2 0 1",
              "9 4 3 5 * 9 7 8 6", "1 7 7 5 9 7 6 3"});
  check_file({"multiplication", "multiplication/4_by_4/test_bigbench.txt", 1000, "7 6 9 2 * 1 6 3 6", "7 8 0 3 7 8 8 1",
              "1 1 5 9 * 3 9 3 2", "3 2 8 9 5 7 2 2"});
  check_file({"multiplication", "multiplication/5_by_5/valid.txt", 1000, "3 5 4 1 1 * 2 1 4 6 5", "6 3 6 6 8 0 6 4 6 0",
              "2 4 2 6 3 * 1 3 7 5 2", "2 0 9 2 4 5 2 3 9 0"});
  check_file({"multiplication", "multiplication/5_by_5/test_bigbench.txt", 1000, "9 4 0 8 3 * 1 4 2 0 1",
              "9 0 8 9 5 6 9 8 3 0", "6 9 4 6 9 * 5 1 2 6 5", "0 4 6 2 2 5 4 2 4 5"});
  check_file({"multiplication", "multiplication/7_by_7/valid.txt", 1000, "7 6 6 1 7 5 7 * 8 9 7 8 4 0 7",
              "6 6 2 6 0 2 1 5 1 1 7 3 3 5", "4 8 7 9 2 6 5 * 6 5 1 5 1 7 4", "4 0 3 6 0 8 9 0 3 5 4 5 6 2"});
  check_file({"multiplication", "multiplication/7_by_7/test_bigbench.txt", 1000, "7 2 4 7 5 3 4 * 3 9 2 3 3 5 1",
              "1 1 1 7 1 3 2 1 2 1 8 6 6 0", "8 8 2 9 4 5 9 * 0 3 0 2 5 7 6", "0 4 6 4 5 0 9 7 0 7 7 4 4 6"});
}

TEST_CASE("BIG-Bench Hard: every sub-task, its options as choices") {
  const auto folder = test::data("bbh");
  if (!folder) return;
  std::map<std::string, size_t> examples, with_choices;
  for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
    const std::string name = entry.path().stem().string();
    CAPTURE(name);
    for (const Example& example : load_examples(task("bbh"), {.data = entry.path()})) {
      ++examples[name];
      with_choices[name] += !example.choices.empty();
      CHECK(task("bbh").scorers[0].score(example, " " + example.answer).correct);
      if (example.choices.empty() || !example.answer.starts_with('(')) continue;
      CHECK(example.answer[1] - 'A' < std::ssize(example.choices));
    }
  }
  CHECK(examples.size() == 27);
  CHECK(examples["penguins_in_a_table"] == 146);
  CHECK(examples["causal_judgement"] == 187);
  CHECK(examples["snarks"] == 178);
  CHECK(std::accumulate(examples.begin(), examples.end(), size_t{0},
                        [](size_t sum, const auto& e) { return sum + e.second; }) == 6511);
  std::set<std::string> without;
  for (const auto& [name, count] : with_choices) {
    if (count == 0) without.insert(name);
    CHECK((count == 0 || count == examples[name]));
  }
  CHECK(without == std::set<std::string>{"boolean_expressions", "dyck_languages", "multistep_arithmetic_two",
                                         "object_counting", "sports_understanding", "web_of_lies", "word_sorting"});
}

// An expression for the target by trying them all: any two numbers become one.
std::string solution(const std::vector<std::pair<double, std::string>>& numbers, double target) {
  if (numbers.size() == 1) return std::abs(numbers[0].first - target) < 1e-9 ? numbers[0].second : "";
  for (size_t i = 0; i < numbers.size(); ++i) {
    for (size_t j = 0; j < numbers.size(); ++j) {
      if (i == j) continue;
      const auto& [a, left] = numbers[i];
      const auto& [b, right] = numbers[j];
      std::vector<std::pair<double, std::string>> results = {{a - b, "(" + left + " - " + right + ")"}};
      if (i < j) results.push_back({a + b, "(" + left + " + " + right + ")"});
      if (i < j) results.push_back({a * b, "(" + left + " * " + right + ")"});
      if (b != 0) results.push_back({a / b, "(" + left + " / " + right + ")"});
      for (const auto& result : results) {
        std::vector<std::pair<double, std::string>> rest = {result};
        for (size_t k = 0; k < numbers.size(); ++k) {
          if (k != i && k != j) rest.push_back(numbers[k]);
        }
        const std::string found = solution(rest, target);
        if (!found.empty()) return found;
      }
    }
  }
  return "";
}

TEST_CASE("Countdown: every puzzle of both files can be solved, and its solution scores") {
  for (const char* name : {"countdown/countdown_cd3_test.jsonl", "countdown/24.csv"}) {
    const auto file = test::data(name);
    if (!file) return;
    int64_t solved = 0, right = 0;
    for (const Example& example : load_examples(task("countdown"), {.data = *file})) {
      std::vector<std::pair<double, std::string>> numbers;
      for (const auto& number : example.meta.at("numbers")) numbers.emplace_back(number.get<double>(), number.dump());
      const std::string expression = solution(numbers, example.meta.at("target").get<double>());
      solved += !expression.empty();
      right += task("countdown").scorers[0].score(example, " " + expression).correct;
    }
    CHECK(solved == (name == std::string("countdown/24.csv") ? 1362 : 256));
    CHECK(right == solved);
  }
}

}  // namespace
}  // namespace tacit
