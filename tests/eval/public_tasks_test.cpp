#include "eval/public_tasks.h"

#include <doctest/doctest.h>

#include "eval/prompts.h"
#include "eval/task.h"
#include "tests/eval/task_support.h"
#include "tests/lib/core_support.h"

// The benchmarks' own formats, on a few lines of each as they are published.

namespace tacit {
namespace {

std::vector<Example> load(const std::string& name, const ScratchFolder& scratch, const std::string& text) {
  put(scratch / "data", text);
  return load_examples(task(name), {.data = scratch / "data"});
}

void check_right(const std::string& name, const std::vector<Example>& examples) {
  for (const Example& example : examples) {
    CAPTURE(example.id);
    const Score score = task(name).scorers.at(0).score(example, test::right_text(task(name), example));
    CHECK(score.correct);
  }
}

TEST_CASE("GSM8K: steps are lines, the answer stands behind ####") {
  const ScratchFolder scratch;
  const auto examples =
      load("gsm8k", scratch,
           R"({"question": "How many?", "answer": "First 2*700=<<2*700=1400>>1400.\nThen more.\n#### 1,400"})");
  CHECK(examples.at(0).question == "How many?");
  CHECK(examples[0].steps == std::vector<std::string>{"First 2*700=<<2*700=1400>>1400.", "Then more."});
  CHECK(examples[0].answer == "1400");
  CHECK(examples[0].meta.at("depth") == 1);
  CHECK(render_solved(task("gsm8k").prompt, examples[0]) ==
        "Question: How many?\nAnswer: First 2*700=<<2*700=1400>>1400.\nThen more.\n#### 1400");
  check_right("gsm8k", examples);
  for (const Scorer& scorer : task("gsm8k").scorers) {
    CAPTURE(scorer.name);
    CHECK(scorer.score(examples[0], test::right_text(task("gsm8k"), examples[0])).correct);
    CHECK(!scorer.score(examples[0], " so\n#### 1500").correct);
  }
}

TEST_CASE("GSM-Hard, SVAMP and MultiArith: numbers of their JSON become the answers' texts") {
  const ScratchFolder scratch;
  const auto hard = load("gsm_hard", scratch,
                         "{\"input\": \"How much?\", \"code\": \"def solution(): ..\", \"target\": -9867630.0}\n"
                         "{\"input\": \"And?\", \"code\": \"\", \"target\": 2.5}\n");
  CHECK(hard.at(0).answer == "-9867630");
  CHECK(hard.at(1).answer == "2.5");
  check_right("gsm_hard", hard);
  const auto svamp = load("svamp", scratch, R"-([
      {"ID": "chal-1", "Body": "Each pack costs 76 dollars", "Question": "How much?", "Equation": "( 76.0 - 25.0 )",
       "Answer": 51.0},
      {"ID": "chal-2", "Body": "He ran.", "Question": "How far?", "Equation": "1.0", "Answer": 1.5}])-");
  CHECK(svamp.at(0).question == "Each pack costs 76 dollars. How much?");
  CHECK(svamp[0].answer == "51");
  CHECK(svamp[0].steps == std::vector<std::string>{"( 76.0 - 25.0 )"});
  CHECK(svamp[1].question == "He ran. How far?");
  check_right("svamp", svamp);
  const auto multi = load("multiarith", scratch, R"-([{"iIndex": 498, "lEquations": ["X=(9.0*(5.0+2.0))"],
      "lSolutions": [63.0], "sQuestion": "How many in all?"}])-");
  CHECK(multi.at(0).answer == "63");
  CHECK(multi[0].steps.size() == 1);
  check_right("multiarith", multi);
  CHECK(load("multiarith", scratch, R"([{"question": "How many?", "final_ans": "64"}])").at(0).answer == "64");
}

TEST_CASE("AQuA: choices without their letters, which the prompt puts back") {
  const ScratchFolder scratch;
  const auto examples =
      load("aqua", scratch,
           R"-({"question": "How long?", "options": ["A)5(a + 1)", "B)6", "C) 7", "D)8", "E)None of these"], )-"
           R"-("rationale": "Long.\nAnswer - C", "correct": "C"})-");
  const auto line = examples.at(0);
  CHECK(line.choices == std::vector<std::string>{"5(a + 1)", "6", "7", "8", "None of these"});
  CHECK(line.answer == "C");
  CHECK(render_question(task("aqua").prompt, line) ==
        "Question: How long?\nAnswer choices:\n(A) 5(a + 1)\n(B) 6\n(C) 7\n(D) 8\n(E) None of these\nAnswer:");
  check_right("aqua", examples);
  CHECK(!task("aqua").scorers[0].score(line, " (B)").correct);
}

TEST_CASE("StrategyQA and ProntoQA: yes and no, true and false") {
  const ScratchFolder scratch;
  const auto strategy =
      load("strategyqa", scratch, R"([{"qid": "1", "term": "x", "question": "Did he?", "answer": true},
      {"qid": "2", "question": "Did she?", "answer": false, "facts": ["One.", "Two."]}])");
  CHECK(strategy.at(0).answer == "yes");
  CHECK(strategy.at(1).answer == "no");
  CHECK(strategy[1].steps.size() == 2);
  check_right("strategyqa", strategy);
  const auto pronto =
      load("prontoqa", scratch, R"([{"question": "Every cat is red. Tom is a cat. True or false: Tom is red.",
      "steps": ["Tom is a cat. Every cat is red.", "Tom is red."], "answer": "True", "edges": [[0, 1]]}])");
  CHECK(pronto.at(0).answer == "True");
  check_right("prontoqa", pronto);
  CHECK(!task("prontoqa").scorers[0].score(pronto[0], " False").correct);
}

TEST_CASE("MATH-500: both published forms; the solved example boxes its answer") {
  const ScratchFolder scratch;
  const auto soft =
      load("math500", scratch,
           R"([{"prompt": [{"from": "user", "value": "Convert $(0,3)$."}], "final_answer": "\\frac{1}{2}"}])");
  CHECK(soft.at(0).question == "Convert $(0,3)$.");
  CHECK(test::right_text(task("math500"), soft[0]) == " The answer is $\\boxed{\\frac{1}{2}}$.");
  check_right("math500", soft);
  const auto hf =
      load("math500", scratch,
           R"({"problem": "Add.", "solution": "One.\nTwo.", "answer": "3", "subject": "Algebra", "level": 2})");
  CHECK(hf.at(0).answer == "3");
  CHECK(hf[0].meta.at("depth") == 2);
  CHECK(hf[0].steps.size() == 2);
}

TEST_CASE("BIG-Bench Hard: the sub-task is the file's name; options are choices") {
  const ScratchFolder scratch;
  put(scratch / "date_understanding.json", R"-({"canary": "..", "examples": [
      {"input": "What is the date?\nOptions:\n(A) 12/11/1937\n(B) 12/25/1937", "target": "(B)"}]})-");
  const auto dates = load_examples(task("bbh"), {.data = scratch / "date_understanding.json"});
  CHECK(dates.at(0).id == "date_understanding/0");
  CHECK(dates[0].choices == std::vector<std::string>{"12/11/1937", "12/25/1937"});
  check_right("bbh", dates);
  const auto yes = load("bbh", scratch, R"({"examples": [{"input": "So?\nOptions:\n- Yes\n- No", "target": "No"}]})");
  CHECK(yes.at(0).choices == std::vector<std::string>{"Yes", "No"});
  check_right("bbh", yes);
  CHECK(load("bbh", scratch, R"({"examples": [{"input": "1 + 1 =", "target": "2"}]})").at(0).choices.empty());
}

TEST_CASE("Countdown and Sudoku: what the scorer needs beside the answer") {
  const ScratchFolder scratch;
  const auto countdown = load("countdown", scratch, R"({"input": "30,100,93", "output": "23"})");
  CHECK(countdown.at(0).question == "Use 30, 100, 93 to make 23.");
  CHECK(countdown[0].meta.dump() == R"({"numbers":[30,100,93],"target":23})");
  CHECK(task("countdown").scorers[0].score(countdown[0], " 93 - (100 - 30)").correct);
  CHECK(!task("countdown").scorers[0].score(countdown[0], " 93 - 70").correct);
  const auto game = load("countdown", scratch, "Rank,Puzzles,AMT (s),Solved rate\n1,1 1 4 6,4.4,99.20%\n");
  CHECK(game.at(0).question == "Use 1, 1, 4, 6 to make 24.");
  CHECK(game[0].meta.dump() == R"({"numbers":[1,1,4,6],"target":24})");
  CHECK(game[0].answer == "24");
  const auto sudoku = load("sudoku", scratch, "Puzzle,Solution\n3102200002100320,3142243142131324\n");
  CHECK(sudoku.at(0).meta.at("puzzle") == "3102200002100320");
  check_right("sudoku", sudoku);
  CHECK(!task("sudoku").scorers[0].score(sudoku[0], " 3142243142131323").correct);
}

TEST_CASE("multiplication: the digits behind ####, the partial sums as they stand") {
  const ScratchFolder scratch;
  const auto examples = load("multiplication", scratch, "5 6 * 7 4||5 5 5 6 1 + 0 ( 5 5 ) #### 5 5 6 0\n");
  CHECK(examples.at(0).question == "5 6 * 7 4");
  CHECK(examples[0].steps == std::vector<std::string>{"5 5 5 6 1 + 0 ( 5 5 )"});
  CHECK(examples[0].answer == "5 5 6 0");
  check_right("multiplication", examples);
  CHECK(!task("multiplication").scorers[0].score(examples[0], " 5 5 6").correct);
}

TEST_CASE("ListOps: files of its paper and of Long Range Arena, as the generated ones are written") {
  const ScratchFolder scratch;
  const auto spinn = load("listops", scratch, "2\t( ( ( [MAX 2 ) ( ( ( [FIRST 9 ) 6 ) ] ) ) ] )\n4\t( ( [SM 4 ) ] )\n");
  REQUIRE(spinn.size() == 2);
  CHECK(spinn[0].question == "[MAX 2 [FIRST 9 6 ] ]");
  CHECK(spinn[0].answer == "2");
  const auto lra = load("listops", scratch, "Source\tTarget\n( ( ( [MED 4 ) 3 ) ] )\t3\n");
  REQUIRE(lra.size() == 1);
  CHECK(lra[0].question == "[MED 4 3 ]");
  CHECK(lra[0].answer == "3");
  check_right("listops", spinn);
  const auto generated = load_examples(task("listops"), {.count = 3});
  write_examples(scratch / "own.jsonl", generated);
  CHECK(to_json(load_examples(task("listops"), {.data = scratch / "own.jsonl"}).at(2)) == to_json(generated[2]));
}

TEST_CASE("CLUTRR: the release's CSV; relations as words") {
  const ScratchFolder scratch;
  const std::string row = "\"[Ann]'s daughter, [Lil], asked her mom. [Nick]'s sister [Lil] came.\",\"('Ann', 'Nick')\"";
  const auto hf =
      load("clutrr", scratch, "id,story,query,target,target_text,task_name\nx," + row + ",15,son,task_1.2\n");
  CHECK(hf.at(0).question ==
        "[Ann]'s daughter, [Lil], asked her mom. [Nick]'s sister [Lil] came. How is Nick related to Ann?");
  CHECK(hf[0].answer == "son");
  CHECK(hf[0].meta.at("depth") == 2);
  check_right("clutrr", hf);
  const auto first = load("clutrr", scratch, ",id,story,query,target\n0,x," + row + ",son\n");
  CHECK(first.at(0).answer == "son");
  CHECK(first[0].meta.is_null());
}

}  // namespace
}  // namespace tacit
