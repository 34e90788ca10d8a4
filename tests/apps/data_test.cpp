#include <doctest/doctest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

namespace {

const char* kProsqa =
    R"([{"question": "Tom is a yumpus. Every yumpus is a rempus. Every lempus is a gerpus. Is Tom a rempus or gerpus?",
 "steps": ["Tom is a yumpus.", "Every yumpus is a rempus."], "answer": "Tom is a rempus.",
 "idx_to_symbol": ["Tom", "yumpus", "rempus", "lempus", "gerpus"], "edges": [[0, 1], [1, 2], [3, 4]],
 "root": 0, "target": 2, "neg_target": 4}])";

// Reads on from a terminal until `text` has appeared, the program has left, or a minute is over.
bool shows(int screen, std::string& seen, const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!holds(seen, text) && std::chrono::steady_clock::now() < deadline) {
    pollfd ready{.fd = screen, .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, 200) <= 0) continue;
    char buffer[4096];
    const ssize_t count = ::read(screen, buffer, sizeof buffer);
    if (count <= 0) break;
    seen.append(buffer, static_cast<size_t>(count));
  }
  return holds(seen, text);
}

}  // namespace

TEST_CASE("data generate: the same seed gives the same bytes, another seed others") {
  const ScratchFolder scratch;
  auto generate = [&](const std::string& name, const std::string& seed) {
    const Finished result =
        run_tacit({"data", "generate", "reach", "--count", "20", "--seed", seed, "--out", scratch / name});
    CAPTURE(result.err);
    REQUIRE(result.code == 0);
    CHECK(result.out.empty());
    return read_file(scratch / name, "test");
  };
  const std::string first = generate("a", "7");
  CHECK(first == generate("b", "7"));
  CHECK(first != generate("c", "8"));
  CHECK(std::count(first.begin(), first.end(), '\n') == 20);
}

TEST_CASE("data: every generated task is generated, audited and shown; the same seed gives the same bytes") {
  for (const std::string task : {"pointer", "chain", "listops", "walks", "maze"}) {
    CAPTURE(task);
    const ScratchFolder scratch;
    const auto generate = [&](const std::string& name, const std::vector<std::string>& more) {
      std::vector<std::string> args = {"data", "generate", task, "--count", "9", "--out", scratch / name};
      args.insert(args.end(), more.begin(), more.end());
      const Finished done = run_tacit(args);
      CAPTURE(done.err);
      REQUIRE(done.code == 0);
      return read_file(scratch / name, "test");
    };
    put(scratch / "options.json", task == "walks" ? R"({"length": 40})" : R"({"depth": 5})");
    const std::string first = generate("a", {"--seed", "7"});
    CHECK(std::count(first.begin(), first.end(), '\n') == 9);
    CHECK(first == generate("b", {"--seed", "7"}));
    CHECK(first != generate("c", {"--seed", "8"}));
    const std::string deep = generate("d", {"--seed", "7", "--generator", scratch / "options.json"});
    CHECK(holds(deep, task == "walks" ? "\"depth\":40" : "\"depth\":5"));
    CHECK(first != deep);
    const Finished from_file = run_tacit({"data", "audit", scratch / "a", "--json"});
    const Finished fresh = run_tacit({"data", "audit", task, "--count", "9", "--seed", "7", "--json"});
    CAPTURE(from_file.err);
    CHECK(from_file.code == 0);
    CHECK(from_file.out == fresh.out);
    CHECK(Json::parse(fresh.out).at("heuristics").size() >= 3);
    CHECK(run_tacit({"data", "audit", scratch / "a"}).code == 0);
    const Finished show = run_tacit({"data", "show", scratch / "a", "--index", "8"});
    CHECK(show.code == 0);
    CHECK(holds(show.out, "answer"));
  }
}

TEST_CASE("data convert gsm8k_aug: lines and lists as examples") {
  const ScratchFolder scratch;
  put(scratch / "gsm.txt", "How many?||<<1+1=2>> <<2*2=4>> #### 4\n");
  REQUIRE(run_tacit({"data", "convert", "gsm8k_aug", scratch / "gsm.txt", "--out", scratch / "out"}).code == 0);
  CHECK(read_file(scratch / "out", "test") ==
        R"({"id":"gsm/0","question":"How many?","steps":["<<1+1=2>>","<<2*2=4>>"],"answer":"4"})"
        "\n");
  const Finished audit = run_tacit({"data", "audit", scratch / "out", "--json"});
  CHECK(audit.code == 0);
  CHECK(Json::parse(audit.out).at("mean_steps") == 2);
}

TEST_CASE("data generate: a folder that is not there is refused before anything is generated") {
  const ScratchFolder scratch;
  const Finished lost = run_tacit({"data", "generate", "reach", "--count", "9", "--out", scratch / "no/reach.jsonl"});
  CHECK(lost.code == 1);
  CHECK(holds(lost.err, "expected a folder for reach.jsonl but there is none at " + (scratch / "no").string()));
}

TEST_CASE("data: what was generated can be audited and shown, in both styles") {
  for (const std::string style : {"symbols", "english"}) {
    const ScratchFolder scratch;
    const std::string file = scratch / "reach.jsonl";
    REQUIRE(run_tacit({"data",   "generate",
                       "reach",  "--count",
                       "9",      "--style",
                       style,    "--kind",
                       "random", "--min-nodes",
                       "6",      "--max-nodes",
                       "8",      "--min-depth",
                       "1",      "--max-depth",
                       "3",      "--edges-per-node",
                       "1.5",    "--balance-in-degree",
                       "false",  "--out",
                       file})
                .code == 0);
    const Finished audit = run_tacit({"data", "audit", file, "--json"});
    CAPTURE(audit.err);
    REQUIRE(audit.code == 0);
    CHECK(Json::parse(audit.out).at("examples") == 9);
    CHECK(run_tacit({"data", "audit", file}).code == 0);
    const Finished show = run_tacit({"data", "show", file, "--index", "8"});
    CAPTURE(show.err);
    CHECK(show.code == 0);
    CHECK(holds(show.out, "answer"));
    const Finished beyond = run_tacit({"data", "show", file, "--index", "9"});
    CHECK(beyond.code == 1);
    CHECK(holds(beyond.err, "expected an index below 9 but got 9"));
  }
}

TEST_CASE("data show: a file without an example is said to have none") {
  const ScratchFolder scratch;
  put(scratch / "empty.jsonl", "");
  const Finished empty = run_tacit({"data", "show", (scratch / "empty.jsonl").string()});
  CHECK(empty.code == 1);
  CHECK(holds(empty.err, "expected examples but got none in "));
}

TEST_CASE("data convert prosqa: English kept, symbols drawn from the seed") {
  const ScratchFolder scratch;
  put(scratch / "prosqa.json", kProsqa);
  const std::string in = scratch / "prosqa.json";
  REQUIRE(run_tacit({"data", "convert", "prosqa", in, "--style", "english", "--out", scratch / "en"}).code == 0);
  CHECK(holds(read_file(scratch / "en", "test"), "Is Tom a rempus or gerpus?"));
  REQUIRE(run_tacit({"data", "convert", "prosqa", in, "--out", scratch / "default"}).code == 0);
  CHECK(read_file(scratch / "default", "test") == read_file(scratch / "en", "test"));
  REQUIRE(run_tacit({"data", "convert", "prosqa", in, "--style", "symbols", "--out", scratch / "sy"}).code == 0);
  CHECK(holds(read_file(scratch / "sy", "test"), "[Q]"));
  CHECK(run_tacit({"data", "show", in}).code == 0);
  CHECK(run_tacit({"data", "list"}).code == 0);
}

TEST_CASE("ProsQA is told in English to a checkpoint that was trained on no style, unless symbols are asked for") {
  const ScratchFolder scratch;
  put(scratch / "prosqa.json", kProsqa);
  write_checkpoint(scratch / "symbols");
  write_checkpoint(scratch / "plain");
  Json config = read_json(scratch / "plain/config.json", "test");
  config["tacit"].erase("style");
  write_file_atomic(scratch / "plain/config.json", config.dump(), "test");
  const auto eval = [&](const std::string& model, const std::vector<std::string>& more = {}) {
    return run_tacit(std::vector<std::string>{"eval", "--model", scratch / model, "--task", "prosqa", "--data",
                                              scratch / "prosqa.json", "--latency-problems", "0"} +
                     more);
  };
  CHECK(eval("symbols").code == 0);
  CHECK(eval("plain", {"--style", "symbols"}).code == 0);
  const Finished english = eval("plain");  // whose words the tokenizer lacks
  CHECK(english.code == 1);
  CHECK(holds(english.err, "Tom"));
  const std::string plain = scratch / "plain", symbols = scratch / "symbols";
  for (const std::string option : {"seed", "labels"}) {
    CAPTURE(option);
    const std::vector<std::string> given = {"--" + option, "20"};
    const Finished one = eval("plain", given);
    CHECK(one.code == 2);
    CHECK(holds(one.err, "'--" + option + "' only with '--style symbols': " + plain + " is asked in English"));
    const auto compare = [&](const std::vector<std::string>& models) {
      std::vector<std::string> args = {"compare", "--task", "prosqa", "--data", scratch / "prosqa.json"};
      for (const std::string& model : models) args = args + std::vector<std::string>{"--model", model};
      return run_tacit(args + given);
    };
    const Finished none = compare({plain, "other=" + plain});
    CHECK(none.code == 2);
    CHECK(
        holds(none.err, "'--" + option + "' only with '--style symbols': asked in English are all rows, plain, other"));
    const Finished mixed = compare({plain, symbols});  // refused for the words, not for an option that one reads
    CHECK(mixed.code == 1);
    CHECK(holds(mixed.err, "Tom"));
  }
}

TEST_CASE("data: bad input names the file and the line, and writes nothing") {
  const ScratchFolder scratch;
  const std::string out = scratch / "out";
  REQUIRE(run_tacit({"data", "generate", "reach", "--count", "3", "--out", scratch / "good"}).code == 0);
  put(scratch / "broken", read_file(scratch / "good", "test") + "{\"id\": \"x\",\n");
  put(scratch / "prosqa.json",
      std::string(kProsqa).replace(std::string(kProsqa).find("\"target\": 2"), 11, "\"target\": 4"));
  struct Case {
    std::vector<std::string> args;
    int code;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{"audit", scratch / "broken"}, 1, "line 4"},
      {{"show", scratch / "broken"}, 1, "line 4"},
      {{"audit", scratch / "nowhere"}, 1, "nowhere"},
      {{"audit", scratch / "nowhere", "--seed", "3"}, 1, "expected a file of problems but there is none at"},
      {{"show", scratch / "nowhere", "--seed", "3"}, 1, "expected a file of problems but there is none at"},
      {{"show", scratch.path()}, 1, "expected a file of problems but got a folder"},
      {{"audit", scratch.path()}, 1, "expected a file of problems but got a folder"},
      {{"convert", "gsm8k_aug", scratch.path(), "--out", out}, 1, "expected a file of problems but got a folder"},
      {{"convert", "gsm8k", scratch.path(), "--out", out}, 1, "but got a folder"},
      {{"show"}, 2, "expected FILE"},
      {{"audit", "--task", "gsm8k"}, 2, "expected SOURCE"},
      {{"show", "reach", "--seed", "3"}, 2, "expected a file, such as 'tacit data generate reach --out FILE' writes"},
      {{"convert", "prosqa", scratch / "prosqa.json", "--out", out}, 1, "prosqa.json"},
      {{"convert", "prosqa", scratch / "good", "--out", out}, 1, "good"},
      {{"convert", "proqsa", scratch / "good", "--out", out}, 2, "did you mean 'prosqa'?"},
      {{"generate", "raech", "--out", out}, 2, "did you mean 'reach'?"},
      {{"generate", "chian", "--out", out}, 2, "did you mean 'chain'?"},
      {{"generate", "chain", "--out", out, "--labels", "9"}, 2, "'--labels' only with task reach"},
      {{"generate", "chain", "--out", out, "--min-depth", "2"}, 2, "'--min-depth' only with task reach"},
      {{"generate", "chain", "--out", out, "--generator", "{\"depht\": 3}"}, 1, "did you mean 'depth'?"},
      {{"generate", "chain", "--out", out, "--generator", "{\"depth\": 3"}, 1, "'--generator'"},
      {{"generate", "chain", "--out", out, "--generator", scratch / "nowhere"}, 1, "nowhere"},
      {{"generate", "reach", "--out", out, "--generator", "{}"}, 2, "a generated task other than reach"},
      {{"audit", scratch / "good", "--generator", "{}"}, 2, "'--generator'"},
      {{"show", "maze", "--generator", "{}"}, 2, "'tacit data generate TASK --generator JSON --out FILE'"},
      {{"show", "--task", scratch.path()}, 2, "or a task file, NAME.json, for '--task' but got the folder '"},
      {{"show", "maze"}, 2, "such as 'tacit data generate maze --out FILE' writes"},
      {{"convert", "gsm8k_aug", scratch / "good", "--out", out}, 1, "JSON lines, as of examples, are another format"},
      {{"convert", "gsm8k_aug", scratch / "good", "--style", "english", "--out", out}, 2, "'--style'"},
      {{"generate", "reach"}, 2, "expected option '--out'"},
      {{"generate", "reach", "--out", out, "--count", "0"}, 2, "expected at least 1 for '--count'"},
      {{"generate", "reach", "--out", out, "--style", "symbol"}, 2, "did you mean 'symbols'?"},
      {{"generate", "reach", "--out", out, "--labels", "9"}, 1, "labels"},
      {{"generate", "reach", "--out", scratch / "no/such/folder/file"}, 1, "file"},
      {{"generat"}, 2, "did you mean 'generate'?"},
      {{}, 2, "Actions:"},
  };
  for (const Case& c : cases) {
    std::vector<std::string> args = {"data"};
    args.insert(args.end(), c.args.begin(), c.args.end());
    const Finished result = run_tacit(args);
    CAPTURE(c.message);
    CAPTURE(result.err);
    CHECK(result.code == c.code);
    CHECK(holds(result.err, c.message));
    CHECK(result.out.empty());
    CHECK_FALSE(std::filesystem::exists(out));
  }
}

TEST_CASE("Ctrl-C ends a long generation with 130 and writes nothing") {
  const ScratchFolder scratch;
  const std::string out = scratch / "out";
  int screen = -1;
  const pid_t pid = ::forkpty(&screen, nullptr, nullptr, nullptr);  // the bar is drawn at once only on a terminal
  if (pid == 0) {
    ::execl(TACIT_BINARY, TACIT_BINARY, "data", "generate", "reach", "--count", "50000", "--out", out.c_str(),
            static_cast<char*>(nullptr));
    ::_exit(127);
  }
  REQUIRE(pid > 0);
  std::string seen;
  const bool drawn = shows(screen, seen, "/50000");
  ::kill(pid, SIGINT);
  const bool told = shows(screen, seen, "stopped; nothing was written");
  if (!told) ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  ::close(screen);
  CAPTURE(seen);
  CHECK(drawn);
  CHECK(told);
  CHECK(WIFEXITED(status));  // without a handler the signal ends it, which a shell calls 130 too
  CHECK(WEXITSTATUS(status) == 130);
  CHECK(scratch.names().empty());
}

TEST_CASE("data audit: the most frequent answer is scored by the task, not by its spelling") {
  const ScratchFolder scratch;
  put(scratch / "24.csv", "Rank,Puzzles\n1,1 1 4 6\n2,1 1 11 11\n3,1 1 3 8\n");
  const Finished found = run_tacit({"data", "audit", scratch / "24.csv", "--task", "countdown", "--json"});
  CAPTURE(found.err);
  REQUIRE(found.code == 0);
  const Json rule = Json::parse(found.out).at("heuristics").at(0);
  CHECK(rule.at("name") == "most frequent answer");
  CHECK(rule.at("accuracy") == 0);
}
