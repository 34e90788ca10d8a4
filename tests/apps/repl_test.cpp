#include <doctest/doctest.h>

#include <array>
#include <sstream>

#include "apps/render.h"
#include "datasets/generated_task.h"
#include "lib/core/json.h"
#include "tests/apps/repl_support.h"

using namespace tacit;
using namespace tacit::test;

namespace {

// Random weights over the words of task `pointer`.
void write_pointer_checkpoint(const std::filesystem::path& folder, const std::string& method,
                              const Json& generator_options = {}, uint64_t seed = 1) {
  const Generator generator = open_generator("pointer", generator_options);
  const TinyModelOptions options{.vocab_size = std::ssize(generator.vocabulary), .seed = seed};
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

// The same as a plain Hugging Face folder, which says nothing of thoughts.
void write_foreign_checkpoint(const std::filesystem::path& folder) {
  write_pointer_checkpoint(folder, "cot");
  Json config = read_json(folder / "config.json", "test");
  config.erase("tacit");
  write_file_atomic(folder / "config.json", config.dump(), "test");
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

TEST_CASE("/show breaks a long question between words, at the width") {
  const std::string wide = script("/set width 1000\n/new 7\n/show\n").out;
  const std::string question = wide.substr(wide.rfind('\n', wide.size() - 2) + 1);
  REQUIRE(display_width(question) > 100);
  for (const int64_t width : {40, 77}) {
    CAPTURE(width);
    const std::string out = script("/new 7\n/set width " + std::to_string(width) + "\n/show\n").out;
    CHECK(out.ends_with("\n" + join_words(wrap_text(question, width), "\n") + "\n"));
  }
}

TEST_CASE("/show with a side prints its last reply whole") {
  const ScratchFolder scratch;
  const std::string file = (scratch / "session.json").string();
  const Finished done = script("/set width 32\n" + std::string(kQuestion) + "\n/save " + file + "\n/show words\n");
  CAPTURE(done.out);
  REQUIRE(done.code == 0);
  const Json reply = read_json(file, "test")["replies"][0];
  const std::string chain = join_words(reply["words"].get<std::vector<std::string>>());
  REQUIRE(chain != "");
  const std::string shown = done.out.substr(done.out.rfind("saved "));
  CHECK(holds(shown, "words · cot · "));
  CHECK(holds(shown, "\n\n" + join_words(wrap_text(chain, 32), "\n") + "\n\nanswer "));
  CHECK(holds(join_words(split_words(shown)), "answer " + reply["answer"].get<std::string>()));
  const Finished thoughts = script(std::string(kQuestion) +
                                   "\n/show thoughts\n/method thoughts pause\n/again\n"
                                   "/show thoughts\n");
  CHECK(thoughts.code == 0);
  CHECK(holds(thoughts.out, "\n(6 thoughts that are no words)\n\nanswer "));
  CHECK(holds(thoughts.out, "\n[P] [P] [P] [P] [P] [P]\n\nanswer "));
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
  const std::string wide = "/set width 1000\n";  // a question on one line
  const std::string first = script(wide + "/new 7\n/show\n").out,
                    again = script(wide + "/show\n/new\n/show\n", {"--seed", "7"}).out;
  const std::string question = first.substr(first.rfind('\n', first.size() - 2) + 1);
  CHECK(holds(question, "[Q]"));
  CHECK(holds(again, question));
  const std::string both = script(wide + "/new 7\n/new\n/show\n").out;
  CHECK(holds(both, "reach-7/1"));
  CHECK(!holds(both, question));
}

TEST_CASE("what cannot be done is one line on stderr; the script goes on and ends with 1") {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"/nwe", "a command that /help lists but got '/nwe', did you mean '/new'?"},
      {"/new seven", "a seed of at least 0 but got 'seven'"},
      {"/new 1 2", "'/new [SEED]' but got '/new 1 2'"},
      {"/show", "a question first"},
      {"/show words", "a question first"},
      {"/show wrods", "'/show [words|thoughts]' but got 'wrods', did you mean 'words'?"},
      {"/again", "a question first"},
      {"/latents -3", "a number of thoughts, at least 0, but got -3"},
      {"/latents 600", "at most 512 positions (the model's) but 600 thoughts"},
      {"/latents x", "a number of thoughts, at least 0, but got 'x'"},
      {"/method words", "'/method words|thoughts NAME'"},
      {"/method wrods cot", "but got 'wrods', did you mean 'words'?"},
      {"/method words coconnut", "but got 'coconnut', did you mean 'coconut'?"},
      {"/model thoughts /nowhere/at/all", "/nowhere/at/all"},
      {"/model thoughts", "'/model words|thoughts DIR [METHOD]' but got no DIR"},
      {"/model thoughts " + (models() / "direct").string() + " coconnut", "'coconnut', did you mean 'coconut'?"},
      {"/seed -1", "a seed of at least 0 but got '-1'"},
      {"why", "one '[Q]' but got 0"},
      {"17 3 | 5 17 | 22 9|[Q] 3 9 [R] 5", "with '[Q]' alone between spaces but it touches another word"},
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
  const Finished asked = pointer("/new 3\nhello\n/again\n/trace\n/set width 1000\n/show\n");
  CAPTURE(asked.err);
  CHECK(asked.code == 1);
  CHECK(lines_in(asked.err) == 1);
  CHECK(holds(asked.err, "'hello'"));
  CHECK(asked.out.ends_with("\n" + open_generator("pointer").example(3, 0).question + "\n"));
  const Finished first = pointer("hello\n/show\n");
  CHECK(lines_in(first.err) == 2);
  CHECK(holds(first.err, "a question first"));
}

TEST_CASE("answers of any task are judged as an evaluation judges them, in the picture, /compare and run --json") {
  const ScratchFolder scratch;
  const Json small = {{"nodes", {4, 4}}, {"labels", 4}, {"depth", {1, 2}}};  // a random model hits one now and then
  constexpr int64_t kCount = 40;
  std::array<std::vector<bool>, 2> right;
  bool longer = false;
  const std::array<std::string, 2> sides = {"cot", "coconut"};
  for (size_t s = 0; s < 2; ++s) {
    const std::string folder = scratch / sides[s], out = scratch / ("run-" + sides[s]);
    write_pointer_checkpoint(folder, sides[s], small, s + 1);
    const Finished done = run_tacit({"eval", "--model", folder, "--seed", "1", "--count", std::to_string(kCount),
                                     "--out", out, "--latency-problems", "0", "--threads", "1"});
    CAPTURE(done.err);
    REQUIRE(done.code == 0);
    std::istringstream lines(read_file(out + "/samples.jsonl", "test"));
    for (std::string line; std::getline(lines, line);) {
      const Json sample = Json::parse(line);
      right[s].push_back(sample["correct"] == true);
      longer = longer || (right[s].back() && split_words(sample["text"].get<std::string>()).size() > 1);
    }
    REQUIRE(std::ssize(right[s]) == kCount);
  }
  REQUIRE(longer);  // else comparing all words would do
  std::string input = "/set width 40\n/seed 1\n";
  for (int64_t i = 0; i < kCount; ++i)
    input += "/new\n/compare " + (scratch / "cot").string() + " " + (scratch / "coconut").string() + "\n";
  const Finished asked = run_tacit(
      {"repl", "--words", scratch / "cot", "--thoughts", scratch / "coconut", "--threads", "1"}, {.input = input});
  CAPTURE(asked.err);
  CHECK(asked.code == 0);
  size_t at = 0;
  for (int64_t i = 0; i < kCount; ++i) {
    CAPTURE(i);
    at = asked.out.find("pointer-1/" + std::to_string(i) + "\n", at);
    REQUIRE(at != std::string::npos);
    const std::string shown = asked.out.substr(at, asked.out.find("\npointer-1/", at) - at);
    const size_t table = shown.find("\nmodel");
    REQUIRE(table != std::string::npos);
    const auto count = [](const std::string& text, const std::string& part) {
      int64_t found = 0;
      for (size_t p = text.find(part); p != std::string::npos; p = text.find(part, p + 1)) ++found;
      return found;
    };
    const int64_t both = right[0][i] + right[1][i];
    CHECK(count(shown.substr(0, table), "✓ right") == both);
    CHECK(count(shown.substr(0, table), "✗ wrong, it is") == 2 - both);
    CHECK(count(shown.substr(table), "✓") == both);
    CHECK(count(shown.substr(table), "✗") == 2 - both);
  }
  const auto run = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args = {"run", "--json", "--threads", "1", "--model"};
    args.insert(args.end(), more.begin(), more.end());
    return Json::parse(run_tacit(args).out)["correct"];
  };
  for (size_t s = 0; s < 2; ++s) {
    const auto hit = std::ranges::find(right[s], true), miss = std::ranges::find(right[s], false);
    for (const auto& place : {hit, miss}) {
      if (place == right[s].end()) continue;
      const std::string index = std::to_string(place - right[s].begin());
      CHECK(run({scratch / sides[s], "--seed", "1", "--index", index}) == Json(*place));
    }
  }
  CHECK(run({scratch / "cot", "--question", "0 1 | 1 2 | [R] 0"}).is_null());
}

TEST_CASE("a long answer leaves room for what is right, for the time and for the edge") {
  const ScratchFolder scratch;
  write_pointer_checkpoint(scratch / "cot", "cot");
  write_pointer_checkpoint(scratch / "coconut", "coconut");
  for (const int64_t width : {100, 60, 40, 20}) {
    CAPTURE(width);
    const Finished done =
        run_tacit({"repl", "--words", scratch / "cot", "--thoughts", scratch / "coconut"},
                  {.input = "/set width " + std::to_string(width) + "\n/new 3\n/trace\n/lens\n/model\n/bench 1\n"});
    CHECK(done.code == 0);
    const std::string expected = open_generator("pointer").example(3, 0).answer;
    CAPTURE(done.out);
    const std::string verdict = "✗ wrong, it is " + expected;
    const size_t first = done.out.find(verdict);
    REQUIRE(first != std::string::npos);
    const size_t second = done.out.find(verdict, first + 1);
    REQUIRE(second != std::string::npos);
    std::istringstream lines(done.out),
        replies(done.out.substr(0, second));  // no column of /bench is a time of a reply
    for (std::string line; std::getline(lines, line);) CHECK(display_width(line) <= width);
    int64_t times = 0;
    for (std::string line; std::getline(replies, line);) {
      for (size_t at = line.find(" ms"); at != std::string::npos; at = line.find(" ms", at + 1))
        times += at + 3 == line.size() || line.substr(at + 3).starts_with(" ");
    }
    CHECK(times == 2);
    if (width >= 40) {
      for (const char* column : {"thinking ms", "answer ms", "all ms"})
        CHECK(holds(join_words(split_words(done.out)), column));
    }
  }
}

TEST_CASE("a /new that fails leaves the question, and its place among the seed's problems") {
  const Finished done = script("/new 5\n/latents 490\n/new\n/new 9\n/seed\n/show\n");
  CHECK(done.code == 1);
  CHECK(lines_in(done.err) == 2);
  CHECK(holds(done.out, "seed 5, next problem 1\n"));
}

TEST_CASE("a /swap that fails leaves the place among the seed's problems, one that is answered takes it") {
  const Finished done = script("/new 5\n/latents 490\n/swap\n/seed\n/latents\n/swap\n/seed\n");
  CHECK(done.code == 1);
  CHECK(lines_in(done.err) == 1);
  CHECK(holds(done.out, "seed 5, next problem 1\n"));
  CHECK(done.out.ends_with("seed 5, next problem 2\n"));
}

TEST_CASE("a method whose weights the checkpoint lacks is refused at once") {
  const Finished done = script("/method thoughts codi\n/method words codi\n/method\n");
  CHECK(done.code == 1);
  CHECK(lines_in(done.err) == 2);
  CHECK(holds(done.err, "expected a checkpoint that was trained with 'head.0.in.weight'"));
  CHECK(holds(done.out, "words: cot   thoughts: frontier"));
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

TEST_CASE("--dtype and --weights hold for every model that the conversation opens, and stand beside its name") {
  const std::string question = std::string(kQuestion) + "\n",
                    other = "/model thoughts " + (models() / "coconut").string();
  const auto trace = [&](const std::vector<std::string>& more) {
    const Finished done = script(other + "\n" + question + "/trace\n", more);
    CAPTURE(done.err);
    REQUIRE(done.code == 0);
    return done.out.substr(done.out.rfind("cosine  entropy"));
  };
  CHECK(trace({}) == trace({"--dtype", "fp32"}));
  CHECK(trace({}) != trace({"--dtype", "bf16"}));
  CHECK(trace({}) != trace({"--weights", "int8"}));
  const Finished named = script("/model\n" + other + "\n", {"--dtype", "bf16", "--weights", "int8"});
  CHECK(named.code == 0);
  CHECK(holds(named.out, "frontier (frontier), bf16, weights in int8\n"));
  CHECK(holds(named.out, "cot (cot), bf16, weights in int8\n"));
  CHECK(holds(named.out, "coconut (coconut), bf16, weights in int8\n"));
  CHECK(holds(script("/model\n").out, "frontier (frontier)\n"));
  const Finished half = script("", {"--dtype", "fp16", "--weights", "int8"});
  CHECK(half.code == 2);
  CHECK(holds(half.err, "expected '--dtype fp32' or 'bf16' beside '--weights int8' on cpu but got 'fp16'"));
}

TEST_CASE("a checkpoint that names no method is opened with one, and where none is given the advice fits the place") {
  const ScratchFolder scratch;
  const std::string plain = scratch / "plain", file = (scratch / "session.json").string();
  write_foreign_checkpoint(plain);
  write_pointer_checkpoint(scratch / "cot", "cot");
  write_pointer_checkpoint(scratch / "coconut", "coconut");
  const std::string expected = "[repl] expected a checkpoint whose config.json names a method but got " + plain + "; ",
                    asked = "1 2 | 2 3 | [R] 1\n";
  const auto repl = [&](const std::string& words, const std::string& thoughts, const std::vector<std::string>& more,
                        const std::string& input) {
    std::vector<std::string> args = {"repl", "--words", words, "--thoughts", thoughts};
    args.insert(args.end(), more.begin(), more.end());
    return run_tacit(args, {.input = input});
  };
  const Finished words = repl(plain, scratch / "coconut", {}, ""), thoughts = repl(scratch / "cot", plain, {}, "");
  CHECK(words.code == 1);
  CHECK(holds(words.err, expected + "name one with --words-method, as in --words-method cot\n"));
  CHECK(thoughts.code == 1);
  CHECK(holds(thoughts.err, expected + "name one with --thoughts-method, as in --thoughts-method coconut\n"));
  const Finished wrong = repl(plain, plain, {"--words-method", "cott"}, "");
  CHECK(wrong.code == 2);
  CHECK(holds(wrong.err, "for '--words-method' but got 'cott', did you mean 'cot'?"));

  const Finished opened = repl(plain, plain, {"--words-method", "cot", "--thoughts-method", "coconut"},
                               asked + "/method words latent\n/compare " + plain + "\n/compare words:latent\n");
  CAPTURE(opened.err);
  CHECK(holds(opened.out, "words · cot · 64 words, the cap"));  // no marker ends them
  CHECK(holds(opened.out, "thoughts · coconut · 6 thoughts"));
  CHECK(lines_in(opened.err) == 3);
  CHECK(holds(opened.err, expected + "name one, as in /method words cot\n"));
  CHECK(holds(opened.err, expected + "open it as a side, /model words DIR METHOD, and compare words:METHOD\n"));
  CHECK(holds(opened.err, expected + "name one behind the side, as in words:cot\n"));

  const Finished put = repl(scratch / "cot", scratch / "coconut", {},
                            "/model words " + plain + "\n/model words " + plain + " cot\n/model thoughts " + plain +
                                " coconut\n" + asked + "/save " + file + "\n");
  CAPTURE(put.err);
  CHECK(lines_in(put.err) == 1);
  CHECK(holds(put.err, expected + "name one behind it, as in /model words DIR cot\n"));
  CHECK(holds(put.out, "words · cot · 64 words, the cap"));
  const Finished loaded = repl(scratch / "cot", scratch / "coconut", {}, "/load " + file + "\n/again\n/method\n");
  CAPTURE(loaded.err);
  CHECK(loaded.code == 0);
  CHECK(loaded.out.ends_with("words: cot   thoughts: coconut\n"));
}

TEST_CASE("--echo prints every line behind its prompt, before what it brings") {
  const std::string input = "/seed 3\n\n# a comment\n/seed \\\n4\n/seed\n";
  CHECK(script(input, {"--echo"}).out ==
        "tacit> /seed 3\nseed 3, next problem 0\ntacit> # a comment\ntacit> /seed \n.....> 4\nseed 4, next problem 0\n"
        "tacit> /seed\nseed 4, next problem 0\n");
  CHECK(!holds(script(input).out, "tacit>"));
  CHECK(!holds(script("# \x1b[2J\n", {"--echo"}).out, "\x1b"));
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
