#include <doctest/doctest.h>

#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

namespace {

// A benchmark of one's own in words that the test's model knows.
const char* kTask = R"({
  "name": "sums", "summary": "Sums of two numbers", "format": "tsv", "data": "sums.tsv",
  "fields": {"question": "{a} {b}", "answer": {"from": "sum", "find": "\\d+"}, "steps": {"from": "why", "optional": true}},
  "prompt": "[Q] {question} [R]", "solution": " {answer}", "separator": " ; ",
  "scorers": ["first_word"], "max_answer_tokens": 4, "stop": ["|"]
})";
const char* kSums = "a\tb\tsum\n1\t2\tis 3\n2\t2\tis 4\n5\t2\tis 7\n4\t4\tis 8\n";

struct Files {
  ScratchFolder scratch;
  std::string task = (scratch / "sums.json").string();
  Files() {
    put(task, kTask);
    put(scratch / "sums.tsv", kSums);
    write_checkpoint(scratch / "model");
  }
  Finished eval(const std::vector<std::string>& more) const {
    std::vector<std::string> args = {
        "eval", "--model", scratch / "model", "--task", task, "--latency-problems", "0", "--threads", "1"};
    args.insert(args.end(), more.begin(), more.end());
    return run_tacit(args);
  }
};

}  // namespace

TEST_CASE("a task of one's own from a JSON file: shown, audited, evaluated, resumed") {
  const Files files;
  const Finished show = run_tacit({"data", "show", files.task, "--index", "1"});
  CHECK(show.code == 0);
  CHECK(holds(show.out, "[Q] 2 2 [R]"));
  const Finished shown = run_tacit(
      {"data", "show", files.scratch / "sums.tsv", "--task", files.task, "--index", "2", "--shots", "1", "--json"});
  CAPTURE(shown.err);
  REQUIRE(shown.code == 0);
  const Json example = Json::parse(shown.out);
  CHECK(example.at("question") == "5 2");
  CHECK(example.at("answer") == "7");
  CHECK(example.at("prompt").get<std::string>().ends_with(" ; [Q] 5 2 [R]"));
  const Finished alone = run_tacit({"data", "show", "--task", files.task, "--index", "1"});
  CAPTURE(alone.err);
  CHECK(alone.out == show.out);
  CHECK(run_tacit({"data", "audit", "--task", files.task, "--json"}).out ==
        run_tacit({"data", "audit", files.task, "--json"}).out);
  const Finished audit = run_tacit({"data", "audit", files.task, "--json"});
  CAPTURE(audit.err);
  REQUIRE(audit.code == 0);
  CHECK(Json::parse(audit.out).at("examples") == 4);
  CHECK(Json::parse(audit.out).at("empty_answers") == 0);

  const std::vector<std::string> run = {"--shots", "1", "--out", files.scratch / "run", "--json"};
  const Finished first = files.eval(run);
  CAPTURE(first.err);
  REQUIRE(first.code == 0);
  const Json metrics = Json::parse(first.out);
  CHECK(metrics.at("task") == "sums");
  CHECK(metrics.at("examples") == 4);
  CHECK(metrics.at("heuristics").empty());  // four problems, four answers: the most frequent one says nothing
  const Json record = read_json(files.scratch / "run/run.json", "test");
  CHECK(record.at("prompt").at("shots") == 1);
  CHECK(record.at("prompt").at("stop") == Json::array({"|"}));
  CHECK(record.at("max_answer_tokens") == 4);
  CHECK(files.eval(run).out == first.out);
  const Finished counted = files.eval({"--count", "2"});  // the file has its own problems
  CHECK(counted.code == 2);
  CHECK(holds(counted.err, "'--count'"));
  const Finished other = files.eval({"--shots", "2", "--out", files.scratch / "run"});
  CHECK(other.code == 1);
  CHECK(holds(other.err, "'prompt.shots' of 1"));
}

TEST_CASE("runs that were scored again by different task files of one name are told apart") {
  const Files files;
  std::string other = kTask;
  other.replace(other.find("[\"|\"]"), 5, "[\"3\"]");
  std::filesystem::create_directories(files.scratch / "other");
  put(files.scratch / "other/sums.json", other);
  put(files.scratch / "other/sums.tsv", kSums);
  for (const char* run : {"a", "b"}) REQUIRE(files.eval({"--out", files.scratch / run}).code == 0);
  REQUIRE(run_tacit({"rescore", files.scratch / "a"}).code == 0);
  REQUIRE(run_tacit({"rescore", files.scratch / "b", "--task", files.scratch / "other/sums.json"}).code == 0);
  const Finished done = run_tacit({"compare", "--runs", files.scratch / "a", "--runs", files.scratch / "b", "--json"});
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  const Json notes = Json::parse(done.out).at("notes");
  CHECK(holds(notes.dump(), "a scored again by first_word ("));
  CHECK(holds(notes.dump(), "b scored again by first_word, as task sums of "));
}

TEST_CASE("task files and prompts: what cannot be is said in one line") {
  const Files files;
  struct Case {
    std::vector<std::string> more;
    int code;
    std::string message;
  };
  for (const Case& c : {
           Case{{"--shots-data", files.scratch / "sums.tsv"}, 2, "shots"},
           Case{{"--shots", "1", "--shots-data", files.scratch / "nowhere"},
                1,
                "expected a file of solved examples but there is none at"},
           Case{{"--shots", "4"}, 1, "expected 4 solved examples beside"},
           Case{{"--shots", "1", "--prompt", "plain"}, 1, "asked plainly"},
           Case{{"--prompt", "own"}, 2, "template"},
           Case{{"--chat"}, 1, "expected a checkpoint with a chat template"},
           Case{{"--data", files.scratch.path()}, 1, "expected a file of data but got a folder"},
           Case{{"--data", files.scratch / "nowhere"}, 1, "expected a file of data but there is none at"},
       }) {
    CAPTURE(c.message);
    const Finished result = files.eval(c.more);
    CAPTURE(result.err);
    CHECK(result.code == c.code);
    CHECK(holds(result.err, c.message));
  }
  put(files.task, std::string(kTask).replace(std::string(kTask).find("\"find\""), 6, "\"fnid\""));
  const Finished broken = files.eval({});
  CHECK(broken.code == 1);
  CHECK(holds(broken.err, "'fields.answer.fnid', did you mean 'find'"));
  // Said before a model is looked for.
  const Finished sooner = run_tacit({"eval", "--model", files.scratch / "no model", "--task", files.task});
  CHECK(sooner.err == broken.err);
  put(files.task, std::string(kTask).replace(std::string(kTask).find("sums"), 4, "gsm8k"));
  const Finished taken = files.eval({});
  CHECK(taken.code == 1);
  CHECK(holds(taken.err, "expected a name of its own but got 'gsm8k', as a built-in task is called"));
  put(files.scratch / "sums.tsv", "a\tb\tsum\n1\t2\tis three\n");
  put(files.task, kTask);
  const Finished line = files.eval({});
  CHECK(line.code == 1);
  CHECK(holds(line.err, "line 2 of " + (files.scratch / "sums.tsv").string()));
}

TEST_CASE("data convert: a benchmark's file as examples, examples as what trainings read, and back") {
  const ScratchFolder scratch;
  const std::string in = scratch / "gsm.jsonl", own = scratch / "own.jsonl", lines = scratch / "lines.txt",
                    again = scratch / "again.jsonl";
  put(in, R"({"question": "How many?", "answer": "1+1=<<1+1=2>>2\n#### 2"})"
          "\n");
  REQUIRE(run_tacit({"data", "convert", "gsm8k", in, "--out", own}).code == 0);
  CHECK(read_file(own, "test") ==
        R"({"id":"gsm/0","question":"How many?","steps":["1+1=<<1+1=2>>2"],"answer":"2","meta":{"depth":1}})"
        "\n");
  REQUIRE(run_tacit({"data", "convert", "examples", own, "--to", "gsm8k_aug", "--out", lines}).code == 0);
  CHECK(read_file(lines, "test") == "How many?||1+1=<<1+1=2>>2 #### 2\n");
  REQUIRE(run_tacit({"data", "convert", "gsm8k_aug", lines, "--out", again}).code == 0);
  CHECK(holds(read_file(again, "test"), R"("question":"How many?","steps":["1+1=<<1+1=2>>2"],"answer":"2")"));
  REQUIRE(run_tacit({"data", "convert", "gsm8k", own, "--to", "coconut", "--out", scratch / "list.json"}).code == 0);
  CHECK(Json::parse(read_file(scratch / "list.json", "test")).at(0).at("steps").size() == 1);
  const Finished unknown = run_tacit({"data", "convert", "gsm9k", in, "--out", own});
  CHECK(unknown.code == 2);
  CHECK(holds(unknown.err, "did you mean 'gsm8k'"));
  const Finished wrong = run_tacit({"data", "audit", in});
  CHECK(wrong.code == 1);
  CHECK(holds(wrong.err, "'--task' says of which task a file is"));
}

TEST_CASE("data list: every task, and a public one as a task file that works") {
  const ScratchFolder scratch;
  const Finished listed = run_tacit({"data", "list", "--json"});
  REQUIRE(listed.code == 0);
  const Json tasks = Json::parse(listed.out).at("tasks");
  CHECK(tasks.at("gsm8k").at("needs_data") == true);
  CHECK(tasks.at("gsm8k").at("licence") == "MIT");
  CHECK(tasks.at("reach").at("needs_data") == false);
  for (const auto& [name, about] : tasks.items()) {
    CAPTURE(name);
    CHECK(!about.at("summary").get<std::string>().empty());
    if (about.at("needs_data") == true) CHECK(!about.at("published").get<std::string>().empty());
  }
  const Finished spec = run_tacit({"data", "list", "--spec", "svamp"});
  REQUIRE(spec.code == 0);
  CHECK(Json::parse(spec.out).at("name") == "my_svamp");
  put(scratch / "mine.json", spec.out);
  put(scratch / "svamp.json", R"([{"Body": "He ran.", "Question": "How far?", "Equation": "1.0", "Answer": 2.0}])");
  const Finished shown = run_tacit({"data", "show", scratch / "svamp.json", "--task", scratch / "mine.json"});
  CAPTURE(shown.err);
  CHECK(shown.code == 0);
  CHECK(holds(shown.out, "Question: He ran. How far?\nAnswer:"));
}
