#include "eval/task_spec.h"

#include <doctest/doctest.h>

#include "eval/public_tasks.h"
#include "eval/scorers/choice.h"
#include "eval/task.h"
#include "tests/lib/core_support.h"

namespace tacit {
namespace {

const char* kColours = R"({
  "name": "colours", "summary": "Questions about colours", "format": "csv", "data": "colours.csv",
  "fields": {
    "question": "{Body} {Question}",
    "choices": ["{A}", "{B}", "{C}"],
    "answer": "Label", "answer_is": "number",
    "steps": {"from": "Why", "split": "; *"},
    "depth": {"from": "Why", "count": ";"},
    "meta": {"ids": {"from": "Ids", "split": ",", "as": "integers"}, "body": "Body", "extra": {"from": "Extra", "optional": true}}
  },
  "prompt": "Question: {question}\n{choices}\nAnswer:",
  "choice": "{letter}. {text}",
  "scorers": ["choice_text", {"name": "first_word", "options": {}}],
  "max_answer_tokens": 5,
  "stop": ["\n"]
})";

TaskSpec spec_of(const std::string& text) { return read_task_spec(Json::parse(text), "the task file", "folder"); }

// The task file with one of its values replaced.
std::string broken(const std::string& pointer, const Json& value) {
  Json json = Json::parse(kColours);
  json[Json::json_pointer(pointer)] = value;
  return error_of([&] { read_task_spec(json, "the task file"); });
}

Example only(const TaskSpec& spec, const ScratchFolder& scratch, const std::string& text) {
  put(scratch / "data.txt", text);
  const std::vector<Example> examples = read_problems(spec, scratch / "data.txt");
  REQUIRE(examples.size() == 1);
  return examples[0];
}

// A task of JSON lines whose answer is read so.
TaskSpec answering(const std::string& answer, const std::string& more = "") {
  return spec_of(R"({"name": "t", "format": "jsonl", "fields": {"question": "q", "answer": )" + answer + more +
                 R"(}, "scorers": ["first_word"]})");
}

TEST_CASE("a task file says where everything stands") {
  const ScratchFolder scratch;
  const TaskSpec spec = spec_of(kColours);
  CHECK(spec.data == std::filesystem::path("folder/colours.csv"));
  CHECK(spec.max_answer_tokens == 5);
  const Example example = only(spec, scratch,
                               "Body,Question,A,B,C,Label,Why,Ids\n"
                               "\"Snow, fresh.\",What colour?,red,white,,2,it is cold; cold is white,\"3, 14\"\n");
  CHECK(example.id == "data/0");
  CHECK(example.question == "Snow, fresh. What colour?");
  CHECK(example.choices == std::vector<std::string>{"red", "white"});
  CHECK(example.answer == "B");
  CHECK(example.steps == std::vector<std::string>{"it is cold", "cold is white"});
  CHECK(example.meta.dump() == R"({"choice":1,"body":"Snow, fresh.","ids":[3,14],"depth":1})");
}

TEST_CASE("a choice told by its place is that one, whatever the texts of the choices are") {
  const ScratchFolder scratch;
  const TaskSpec spec = spec_of(kColours);
  const std::string head = "Body,Question,A,B,C,Label,Why,Ids\n", rest = ",why,1\n";
  const Example letters = only(spec, scratch, head + "x,?,B,A,C,1" + rest);
  CHECK(letters.answer == "A");
  CHECK(reference_choice(letters) == 0);
  CHECK(holds(error_of([&] { only(spec, scratch, head + "x,?,red,,white,3" + rest); }), "choice 2 empty"));
  CHECK(holds(broken("/prompt", "{question} {choise}"), "{choise}"));
}

TEST_CASE("answers are found and cleaned by regular expressions") {
  const ScratchFolder scratch;
  const auto answer = [&](const std::string& field, const std::string& json) {
    return only(answering(field), scratch, R"({"q": "?", "a": )" + json + "}\n").answer;
  };
  CHECK(answer(R"("a")", "51.0") == "51.0");
  CHECK(answer(R"({"from": "a", "remove": "\\.0$"})", "51.0") == "51");
  CHECK(answer(R"-({"from": "a", "find": "#### (.*)", "take": "last"})-", R"("#### 1\n#### 2")") == "2");
  CHECK(answer(R"-({"from": "a", "find": "#### (.*)"})-", R"("#### 1\n#### 2")") == "1");
  CHECK(answer(R"({"from": "a", "find": "\\d+"})", R"("about 70 km")") == "70");
  CHECK(answer(R"({"from": "a", "words": {"true": "yes"}})", "true") == "yes");
  CHECK(answer(R"-({"from": "a.1", "replace": [["(.)-(.)", "$2+$1"], ["x", "y"]]})-", R"(["", "x-b"])") == "b+y");
  CHECK(answer(R"("{a.0}/{a.1}")", "[1, 2]") == "1/2");
}

TEST_CASE("how the right choice is named") {
  const ScratchFolder scratch;
  const auto letter = [&](const std::string& form, const std::string& json) {
    const TaskSpec spec = answering("\"a\"", R"(, "choices": "c", "answer_is": ")" + form + "\"");
    put(scratch / "data.txt", R"({"q": "?", "c": ["x", "y", "z"], "a": )" + json + "}\n");
    return read_problems(spec, scratch / "data.txt").at(0).answer;
  };
  CHECK(letter("letter", "\"b\"") == "B");
  CHECK(letter("index", "0") == "A");
  CHECK(letter("index", "\"2\"") == "C");
  CHECK(letter("number", "3") == "C");
  CHECK(letter("text", "\"y\"") == "y");
  for (const auto& [form, json] : {std::pair{"letter", "\"D\""}, {"index", "3"}, {"number", "0"}, {"index", "\"x\""}}) {
    CAPTURE(form);
    const std::string error = error_of([&] { letter(form, json); });
    CHECK(holds(error, "'answer'"));
    CHECK(holds(error, "line 1 of " + (scratch / "data.txt").string()));
  }
}

TEST_CASE("the first form that fits the file is taken; what fits none says why") {
  const ScratchFolder scratch;
  const TaskSpec spec = spec_of(R"({"name": "t", "scorers": ["first_word"], "forms": [
      {"format": "jsonl", "fields": {"question": "q", "answer": "a"}},
      {"format": "jsonl", "fields": {"question": "problem", "answer": "solution"}},
      {"format": "csv", "fields": {"question": "q", "answer": "a"}}]})");
  CHECK(only(spec, scratch, R"({"problem": "x", "solution": "y"})").answer == "y");
  CHECK(only(spec, scratch, "q,a\nx,z\n").answer == "z");
  put(scratch / "other", R"({"problem": "x", "answer": "y"})");
  const std::string error = error_of([&] { read_problems(spec, scratch / "other"); });
  CHECK(holds(error, "expected a file of task 't'"));
  CHECK(holds(error, "expected 'question' at 'q' but got nothing"));
  CHECK(holds(error, "expected 'answer' at 'solution' but got nothing"));
}

TEST_CASE("examples that Tacit wrote are read by any task") {
  const ScratchFolder scratch;
  const std::vector<Example> examples = {
      {.id = "x/0", .question = "q", .steps = {"s"}, .answer = "a", .choices = {"a", "b"}}};
  write_examples(scratch / "own.jsonl", examples);
  const auto read = read_problems(answering("\"zzz\""), scratch / "own.jsonl");
  REQUIRE(read.size() == 1);
  CHECK(to_json(read[0]) == to_json(examples[0]));
}

TEST_CASE("bad records: the file, the line and the field are named") {
  const ScratchFolder scratch;
  const auto error = [&](const TaskSpec& spec, const std::string& line) {
    put(scratch / "data.txt", R"({"q": "?", "a": "1", "d": 1})"
                              "\n" +
                                  line + "\n");
    return error_of([&] { read_problems(spec, scratch / "data.txt"); });
  };
  const std::string place = "line 2 of " + (scratch / "data.txt").string();
  struct Case {
    std::string answer, line, message;
  };
  for (const Case& c : {
           Case{R"("a")", R"({"q": "?"})", "expected 'answer' at 'a' but got nothing"},
           Case{R"("a")", R"({"q": "?", "a": null})", "expected 'answer' at 'a' but got nothing"},
           Case{R"("a")", R"({"q": "?", "a": " "})", "expected 'answer' to hold an answer"},
           Case{R"("a")", R"({"q": "", "a": "1"})", "expected 'question' to ask something"},
           Case{R"("a")", R"({"q": "?", "a": {}})", "expected 'answer' to be a text"},
           Case{R"({"from": "a", "find": "\\d"})", R"({"q": "?", "a": "none"})",
                "expected 'answer' to have '\\d' in it"},
           Case{R"("a", "depth": "d")", R"({"q": "?", "a": "1", "d": "deep"})",
                "expected 'depth' to be an integer but got \"deep\""},
       }) {
    CAPTURE(c.line);
    const std::string text = error(answering(c.answer), c.line);
    CAPTURE(text);
    CHECK(holds(text, c.message));
    CHECK(holds(text, place));
  }
  put(scratch / "empty", R"({"q": "?", "a": ""})");
  CHECK(read_problems(answering("\"a\""), scratch / "empty", /*empty_answers=*/true).at(0).answer.empty());
}

TEST_CASE("bad task files: source and field, what was expected, what came") {
  struct Case {
    std::string pointer;
    Json value;
    std::string message;
  };
  for (const Case& c : {
           Case{"/name", "a b", "expected 'name' to be of letters"},
           Case{"/format", "xml", "expected 'format' to be json, jsonl, csv, tsv or lines but got \"xml\""},
           Case{"/feilds", 1, "got 'feilds', did you mean 'fields'"},
           Case{"/fields/question", nullptr, "expected 'fields.question' to say where it stands"},
           Case{"/fields/answr", "x", "got 'fields.answr', did you mean 'answer'"},
           Case{"/fields/answer", 3, "expected 'fields.answer' to be a path"},
           Case{"/fields/question", "{Body", "expected 'fields.question' to close the braces"},
           Case{"/fields/answer", {{"find", "x"}}, "expected 'fields.answer.from' to be a path"},
           Case{"/fields/answer", {{"from", "x"}, {"find", "("}}, "'fields.answer.find' of the task file"},
           Case{"/fields/answer",
                {{"from", "x"}, {"take", "last"}},
                "expected 'fields.answer.take' to be first or last"},
           Case{"/fields/answer", {{"from", "x"}, {"replace", {"a"}}}, "expected 'fields.answer.replace[0]' to be"},
           Case{"/fields/steps", {{"from", "x"}, {"split", "a"}, {"each", "b"}}, "one of 'each', 'split' and 'count'"},
           Case{"/fields/answer_is", "roman", "expected 'fields.answer_is' to be text, letter"},
           Case{"/fields/choices", nullptr, "expected 'fields.choices' to be given where 'answer_is' is"},
           Case{"/list", "x", "expected 'list' to be left out but for json"},
           Case{"/prompt", "Question:", "expected 'prompt' to have {question} in it"},
           Case{"/scorers", Json::array(), "expected 'scorers' to be a list of scorers"},
           Case{"/scorers/0", 3, "expected 'scorers[0]' to be a scorer's name"},
           Case{"/scorers/1/optoins", 3, "got 'scorers[1].optoins', did you mean 'options'"},
           Case{"/max_answer_tokens", 0, "expected 'max_answer_tokens' to be an integer from 1"},
           Case{"/stop", {""}, "expected 'stop' to hold texts"},
           Case{"/forms", Json::array(), "expected 'format' to stand in 'forms'"},
       }) {
    CAPTURE(c.pointer);
    const std::string error = broken(c.pointer, c.value);
    CAPTURE(error);
    CHECK(holds(error, c.message));
    CHECK(holds(error, "the task file"));
  }
}

TEST_CASE("a task file is a task: its own data, its scorers, its name in errors") {
  const ScratchFolder scratch;
  put(scratch / "colours.json", kColours);
  put(scratch / "colours.csv",
      "Body,Question,A,B,C,Label,Why,Ids\nSnow.,What colour?,red,white,blue,2,so,1\nGrass.,What "
      "colour?,red,white,green,3,so,2\n"
      "Milk.,What colour?,red,white,blue,2,so,3\n");
  const Task& colours = task((scratch / "colours.json").string());
  CHECK(colours.name == "colours");
  CHECK(!colours.generated);
  CHECK(&colours == &task((scratch / "colours.json").string()));
  const std::vector<Example> examples = load_examples(colours, {});
  REQUIRE(examples.size() == 3);
  CHECK(answer_tokens(colours, examples) == 5);
  CHECK(answer_tokens(colours, examples, {.max_answer_tokens = 9}) == 9);
  REQUIRE(colours.scorers.size() == 2);
  CHECK(colours.scorers[0].score(examples[0], " B\nand C").correct);
  CHECK(!colours.scorers[0].score(examples[0], " C\nand B").correct);
  CHECK(holds(colours.scorers[0].rule, R"(the text ends before the first "\n")"));
  const std::vector<Heuristic> rules = colours.heuristics(examples, colours.scorers[0]);
  REQUIRE(rules.size() == 1);
  CHECK(rules[0].name == "most frequent answer");
  CHECK(rules[0].accuracy == doctest::Approx(2. / 3));

  Json changed = Json::parse(kColours);
  changed["scorers"] = {"no_such_scorer"};
  put(scratch / "colours.json", changed.dump());
  CHECK(holds(error_of([&] { task((scratch / "colours.json").string()); }), "'no_such_scorer'"));
  CHECK(holds(error_of([&] { task((scratch / "none.json").string()); }), "none.json"));
}

TEST_CASE("the most frequent answer is a rule where answers are few and come again") {
  const ScratchFolder scratch;
  const Task numbers = make_task(answering("\"a\""));
  const auto rules = [&](int64_t examples, int64_t different) {
    std::string text;
    for (int64_t i = 0; i < examples; ++i) {
      text += R"({"q": ")" + std::to_string(i) + R"(", "a": )" + std::to_string(i % different) + "}\n";
    }
    put(scratch / "data", text);
    return numbers.heuristics(load_examples(numbers, {.data = scratch / "data"}), numbers.scorers[0]);
  };
  REQUIRE(rules(41, 2).size() == 1);
  CHECK(rules(41, 2)[0].accuracy == doctest::Approx(21. / 41));
  CHECK(rules(50, 10).size() == 1);
  CHECK(rules(110, 11).empty());
  CHECK(rules(6, 5).empty());
}

// What the most frequent answer scores under `scorer` in problems of these answers.
double majority(const std::string& scorer, const std::string& answers, const std::string& fields = "") {
  const ScratchFolder scratch;
  put(scratch / "data", answers);
  TaskSpec spec = answering("\"a\"", fields);
  spec.scorers = {{scorer, {}}};
  const Task made = make_task(spec);
  const std::vector<Heuristic> rules =
      made.heuristics(load_examples(made, {.data = scratch / "data"}), made.scorers[0]);
  REQUIRE(rules.size() == 1);
  return rules[0].accuracy;
}

TEST_CASE("the most frequent answer scores what it is worth, also by scorers that want more than the bare answer") {
  std::string numbers;
  for (int i = 0; i < 100; ++i) numbers += R"({"q": "?", "a": ")" + std::string(i < 66 ? "2" : "3") + "\"}\n";
  for (const char* name : {"numeric", "gsm8k_flexible", "gsm8k_strict", "gsm8k_cot", "exact_match", "boxed"}) {
    CAPTURE(name);
    CHECK(majority(name, numbers) == .66);
  }
  // Choices whose texts differ from problem to problem, and one that is called as another one's letter.
  const std::string choices = R"({"q": "?", "c": ["x", "y", "z"], "a": "B"}
{"q": "?", "c": ["u", "v", "B"], "a": "B"}
{"q": "?", "c": ["x", "y", "z"], "a": "A"}
{"q": "?", "c": ["y", "z", "x"], "a": "C"}
)";
  for (const char* name : {"choice_likelihood", "choice_likelihood_norm", "choice_text"}) {
    CAPTURE(name);
    CHECK(majority(name, choices, R"(, "choices": "c", "answer_is": "letter")") == .5);
  }
  const std::string plain = R"({"q": "?", "c": ["x", "y"], "a": "B"}
{"q": "?", "c": ["v", "u"], "a": "A"}
)";
  CHECK(majority("choice_text", plain, R"(, "choices": "c", "answer_is": "letter")") == .5);
  CHECK(majority("choice_likelihood", plain, R"(, "choices": "c", "answer_is": "letter")") == .5);
}

TEST_CASE("the target of a puzzle is no solution of it, however often it is the reference") {
  const ScratchFolder scratch;
  put(scratch / "24.csv", "Rank,Puzzles\n1,1 1 4 6\n2,1 1 11 11\n3,1 1 3 8\n4,1 1 1 8\n5,6 6 6 6\n");
  const Task& puzzles = task("countdown");
  const std::vector<Heuristic> rules =
      puzzles.heuristics(load_examples(puzzles, {.data = scratch / "24.csv"}), puzzles.scorers[0]);
  REQUIRE(rules.size() == 1);
  CHECK(rules[0].accuracy == 0);
}

TEST_CASE("a public task is a task file too") {
  for (const TaskSpec& spec : public_tasks()) {
    CAPTURE(spec.name);
    const ScratchFolder scratch;
    put(scratch / "own.json", public_task_json(spec.name));
    CHECK(open_task_spec(scratch / "own.json").name == spec.name);
    if (!task(spec.name).generated) {
      CHECK(
          holds(error_of([&] { load_examples(task(spec.name), {}); }), "expected the data file of task '" + spec.name));
    }
  }
  CHECK(holds(error_of([] { public_task_json("gsm9k"); }), "did you mean 'gsm8k'"));
}

}  // namespace
}  // namespace tacit
