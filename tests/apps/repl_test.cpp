#include <doctest/doctest.h>

#include "datasets/generated_task.h"
#include "lib/core/json.h"
#include "tests/apps/repl_support.h"

using namespace tacit;
using namespace tacit::test;

namespace {

// Random weights over the words of task `pointer`.
void write_pointer_checkpoint(const std::filesystem::path& folder, const std::string& method) {
  const Generator generator = open_generator("pointer");
  const TinyModelOptions options{.vocab_size = std::ssize(generator.vocabulary)};
  MethodSettings settings;
  settings.method = method;
  settings.max_words = 12;
  settings.task = "pointer";
  settings.generator = Json::parse(generator.options.dump());
  settings.markers = {.think = "[T]", .answer = "[A]", .pause = "[P]", .end = "[E]"};
  Json config = tiny_config(options);
  config["tacit"] = to_json(settings);
  std::filesystem::create_directories(folder);
  save_model(folder, *tiny_model(options), config);
  write_file_atomic(folder / "tokenizer.json", word_tokenizer_json(generator.vocabulary), "test");
}

}  // namespace

TEST_CASE("a script draws a fresh problem and answers it in words and in thoughts") {
  const Finished done = script("# a comment\n\n/new 7\n");
  CHECK(done.code == 0);
  CHECK(done.err == "");
  for (const char* part : {"reach-7/0", "Which can be reached from", "words · cot · ",
                           "thoughts · frontier · 6 thoughts", "answer ", "thought", "on •"}) {
    CAPTURE(part);
    CHECK(holds(done.out, part));
  }
  CHECK(!holds(done.out, "tacit>"));
  CHECK(!holds(done.out, "\x1b"));
}

TEST_CASE("a question of one's own is drawn, also without the last '|'") {
  const Finished typed = script(std::string(kQuestion) + "\n/show\n");
  CHECK(typed.code == 0);
  CHECK(holds(typed.out, "Which can be reached from 5: 22 or 31?   (8 nodes, 6 edges)"));
  CHECK(holds(typed.out, "3 steps   22 ✓"));
  const Finished loose = script("5 12 | 5 7 | 12 3 | 7 9 | 9 22 |  1 31 [Q] 22 31 [R] 5\n/show\n");
  CHECK(holds(loose.out, kQuestion));
}

TEST_CASE("settings change what the next answers are made of") {
  const Finished done =
      script("/seed 3\n/new\n/latents 2\n/again\n/latents\n/method thoughts pause\n/again\n/model words " +
             (models() / "cot-frontier").string() + "\n/method\n/quit\n/nonsense\n");
  CHECK(done.code == 0);
  CHECK(done.err == "");
  CHECK(holds(done.out, "reach-3/0"));
  CHECK(holds(done.out, "thoughts: up to 2"));
  CHECK(holds(done.out, "thoughts · frontier · 2 thoughts"));
  CHECK(holds(done.out, "thoughts: up to 6"));
  CHECK(holds(done.out, "thoughts · pause · 6 pauses"));
  CHECK(holds(done.out, "[P] [P] [P] [P] [P] [P]"));
  CHECK(holds(done.out, "words: cot-frontier   thoughts: pause"));
}

TEST_CASE("a side that takes no thoughts says so, and not that it wrote no words") {
  const Finished done = script("/latents 0\n/method words direct\n" + std::string(kQuestion) + "\n");
  CHECK(done.code == 0);
  CHECK(holds(done.out, "thoughts · frontier · 0 thoughts"));
  CHECK(holds(done.out, "(no thoughts)"));
  CHECK(!holds(done.out, "(no words)"));
}

TEST_CASE("the same seed draws the same problem, the next /new another one") {
  const std::string first = script("/new 7\n/show\n").out, again = script("/show\n/new\n/show\n", {"--seed", "7"}).out;
  const std::string question = first.substr(first.rfind('\n', first.size() - 2) + 1);
  CHECK(holds(question, "[Q]"));
  CHECK(holds(again, question));
  const std::string both = script("/new 7\n/new\n/show\n").out;
  CHECK(holds(both, "reach-7/1"));
  CHECK(!holds(both, question));
}

TEST_CASE("what cannot be done is one line on stderr; the script goes on and ends with 1") {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"/nwe", "a command that /help lists but got '/nwe', did you mean '/new'?"},
      {"/new seven", "a seed of at least 0 but got 'seven'"},
      {"/new 1 2", "'/new [SEED]' but got '/new 1 2'"},
      {"/show", "a question first"},
      {"/again", "a question first"},
      {"/latents -3", "a number of thoughts, at least 0, but got -3"},
      {"/latents 600", "at most 512 positions (the model's) but 600 thoughts"},
      {"/latents x", "a number of thoughts, at least 0, but got 'x'"},
      {"/method words", "'/method words|thoughts NAME'"},
      {"/method wrods cot", "but got 'wrods', did you mean 'words'?"},
      {"/method words coconnut", "but got 'coconnut', did you mean 'coconut'?"},
      {"/model thoughts /nowhere/at/all", "/nowhere/at/all"},
      {"/seed -1", "a seed of at least 0 but got '-1'"},
      {"why", "one '[Q]' but got 0"},
      {"5 12 | [Q] 12 99 [R] 5", "a node of the vocabulary, 0 to 31, but got '99'"},
      {"5 12 | 5 12 7 | [Q] 12 7 [R] 5", "two nodes in edge 2 but got '5 12 7'"},
  };
  std::string input;
  for (const auto& [line, expected] : table) input += line + "\n";
  const Finished done = script(input + "/seed\n");
  CHECK(done.code == 1);
  CHECK(lines_in(done.err) == std::ssize(table));
  CHECK(holds(done.out, "seed 0, next problem 0"));
  size_t begin = 0;
  for (const auto& [line, expected] : table) {
    const size_t end = std::min(done.err.find('\n', begin), done.err.size());
    const std::string error = done.err.substr(begin, end - begin);
    CAPTURE(line);
    CAPTURE(error);
    CHECK(holds(error, expected));
    begin = std::min(end + 1, done.err.size());
  }
}

TEST_CASE("a failed /latents leaves the model as it was") {
  const Finished done = script("/latents -3\n/latents 600\n" + std::string(kQuestion) + "\n");
  CHECK(holds(done.out, "thoughts · frontier · 6 thoughts"));
}

TEST_CASE("a question longer than the model's positions is refused with both numbers") {
  const Finished done = script("/latents 490\n" + std::string(kQuestion) + "\n");
  CHECK(done.code == 1);
  CHECK(holds(done.err, "at most 512 positions"));
}

TEST_CASE("a question that is refused leaves the old one and its replies, whatever the task") {
  const ScratchFolder scratch;
  const std::string file = (scratch / "session.json").string();
  const Finished reach =
      script(std::string(kQuestion) + "\n/latents 490\n1 2 | " + kQuestion + "\n/save " + file + "\n/show\n");
  CHECK(reach.code == 1);
  CHECK(lines_in(reach.err) == 1);
  CHECK(reach.out.ends_with("\n" + std::string(kQuestion) + "\n"));
  CHECK(read_json(file, "test")["replies"].size() == 2);

  write_pointer_checkpoint(scratch / "words", "cot");
  write_pointer_checkpoint(scratch / "thoughts", "coconut");
  const auto pointer = [&](const std::string& input) {
    return run_tacit({"repl", "--words", scratch / "words", "--thoughts", scratch / "thoughts"}, {.input = input});
  };
  const Finished asked = pointer("/new 3\nhello\n/again\n/trace\n/show\n");
  CAPTURE(asked.err);
  CHECK(asked.code == 1);
  CHECK(lines_in(asked.err) == 1);
  CHECK(holds(asked.err, "'hello'"));
  CHECK(asked.out.ends_with("\n" + open_generator("pointer").example(3, 0).question + "\n"));
  const Finished first = pointer("hello\n/show\n");
  CHECK(lines_in(first.err) == 2);
  CHECK(holds(first.err, "a question first"));
}

TEST_CASE("/compare says where none of the embedded models is for the questions at hand") {
  const ScratchFolder scratch;
  write_pointer_checkpoint(scratch / "cot", "cot");
  const Finished done =
      run_tacit({"repl", "--words", scratch / "cot", "--thoughts", scratch / "cot"}, {.input = "/new\n/compare\n"});
  CAPTURE(done.err);
  CHECK(done.code == 1);
  CHECK(holds(done.err, "expected folders or methods behind /compare: no model in "));
  CHECK(holds(done.err, "/models was trained for questions like these (task 'pointer')"));
}

TEST_CASE("models that are not there end the program with one line") {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"repl", "--models", "/nowhere/at/all"},
                                             {"repl", "--models", "/"},
                                             {"repl", "--words", "/nowhere", "--thoughts", "/nowhere"}}) {
    const Finished done = run_tacit(args, {.input = "/help\n"});
    CHECK(done.code == 1);
    CHECK(lines_in(done.err) == 1);
    CHECK(done.out == "");
  }
  CHECK(run_tacit({"repl", "--wrods", "x"}).code == 2);
}

TEST_CASE("/help lists every command") {
  const Finished done = script("/help\n");
  for (const char* name : {"/new", "/show", "/again", "/latents", "/method", "/model", "/seed", "/help", "/quit"}) {
    CHECK(holds(done.out, name));
  }
}
