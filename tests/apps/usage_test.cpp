#include <doctest/doctest.h>

#include <sstream>

#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

namespace {

const std::vector<std::vector<std::string>> kCommands = {
    {"run"},          {"repl"},          {"demo"},        {"eval"},      {"compare"},          {"table"},
    {"rescore"},      {"train"},         {"data"},        {"convert"},   {"inspect"},          {"bench"},
    {"probe"},        {"score"},         {"tokenize"},    {"verbalise"}, {"data", "generate"}, {"data", "convert"},
    {"data", "show"}, {"data", "audit"}, {"data", "list"}};

// The lines after "Example:".
std::vector<std::string> example_lines(const std::string& help) {
  const size_t begin = help.find("\nExample:\n");
  std::vector<std::string> lines;
  if (begin == std::string::npos) return lines;
  std::istringstream text(help.substr(begin + 10));
  for (std::string line; std::getline(text, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

}  // namespace

TEST_CASE("--help lists every subcommand, --version the versions; both exit 0") {
  for (const char* word : {"--help", "-h", "help"}) {
    const Finished help = run_tacit({word});
    CHECK(help.code == 0);
    CHECK(help.err.empty());
    for (const auto& command : kCommands) CHECK(holds(help.out, "\n  " + command[0] + " "));
  }
  const Finished version = run_tacit({"--version"});
  CHECK(version.code == 0);
  CHECK(version.out.starts_with("tacit 0."));
}

TEST_CASE("every subcommand's --help says what it does and ends with an example") {
  for (const auto& command : kCommands) {
    std::vector<std::string> args = command;
    args.push_back("--help");
    const Finished help = run_tacit(args);
    CAPTURE(joined(command));
    CHECK(help.code == 0);
    CHECK(help.err.empty());
    CHECK(holds(help.out, "Usage: tacit " + joined(command)));
    REQUIRE_FALSE(example_lines(help.out).empty());
    CHECK(holds(help.out, "tacit " + joined(command)));
  }
}

TEST_CASE("every --help example that needs no network and little time runs as written") {
  const ScratchFolder scratch;
  for (const char* name : {"frontier", "cot"}) write_checkpoint(scratch / "models" / name, name);
  std::filesystem::create_directories(scratch / "bin");
  std::filesystem::create_symlink(TACIT_BINARY, scratch / "bin/tacit");
  int ran = 0;
  for (const auto& command : kCommands) {
    if (command[0] == "repl" || command[0] == "demo" || command[0] == "train") continue;
    std::vector<std::string> args = command;
    args.push_back("--help");
    const std::vector<std::string> lines = example_lines(run_tacit(args).out);
    std::string script = "set -e\nPATH='" + (scratch / "bin").string() + "':$PATH\n";
    bool network = false;
    for (const std::string& line : lines) {
      network = network || holds(line, "curl ");
      script += line + "\n";
    }
    if (network) continue;
    const Finished result = run_program({"sh", "-c", script}, {.folder = scratch.path()});
    CAPTURE(script);
    CAPTURE(result.err);
    CHECK(result.code == 0);
    CHECK(result.out.size() + result.err.size() > 0);
    ++ran;
  }
  CHECK(ran >= 10);
}

TEST_CASE("wrong usage: one line that suggests the nearest name, exit 2") {
  struct Case {
    std::vector<std::string> args;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{"evall"}, "unknown command 'evall', did you mean 'eval'?"},
      {{"--versoin"}, "unknown option '--versoin', did you mean '--version'?"},
      {{"eval", "--modle", "x"}, "[eval] unknown option '--modle', did you mean '--model'?"},
      {{"eval", "--mod", "x"}, "[eval] unknown option '--mod'"},
      {{"eval", "--model"}, "--model"},
      {{"eval", "--model", "x", "--model", "y"}, "option '--model' is given twice"},
      {{"eval", "--model", "x", "stray"}, "unexpected argument 'stray'"},
      {{"eval"}, "expected option '--model'"},
      {{"eval", "--model", "x", "--batch", "0"}, "expected at least 1 for '--batch'"},
      {{"eval", "--model", "x", "--batch", "1.5"}, "expected a whole number for '--batch' but got '1.5'"},
      {{"eval", "--model", "x", "--seed", "-1"}, "expected a whole number of at least 0 for '--seed'"},
      {{"eval", "--model", "x", "--json=yes"}, "json"},
      {{"compare"}, "expected either '--model'"},
      {{"compare", "--model", "a", "--runs", "b"}, "expected either '--model'"},
      {{"compare", "--model", "a", "--model", "b", "--model", "c", "--method", "x", "--method", "y"},
       "each of 3 but got 2"},
      {{"table"}, "expected PATH"},
      {{"table", "a", "--csv", "--json"}, "expected at most one of"},
      {{"inspect"}, "expected PATH"},
      {{"convert", "llama2d", "--checkpoint", "a", "--out", "b"}, "did you mean 'llama2c'?"},
      {{"run", "--model", "x", "--question", "a", "--task", "reach"}, "either '--question' or '--task'"},
      {{"run", "--model", "x", "--data", "g.jsonl", "--kind", "random"},
       "expected no '--kind' beside '--data', where it has no meaning"},
      {{"data", "generate", "reach", "--acyclic", "--out", "a"}, "'--acyclic' only with kind random"},
      {{"data", "generate", "reach", "--kind", "prosqa", "--edges-per-node", "5", "--out", "a"},
       "'--edges-per-node' only with kind random"},
      {{"data", "generate", "reach", "--style", "english", "--labels", "40", "--out", "a"},
       "'--labels' only with '--style symbols'"},
      {{"data", "convert", "prosqa", "p.json", "--style", "english", "--seed", "2", "--out", "a"},
       "'--seed' only with '--style symbols'"},
      {{"data", "audit", "reach", "--acyclic"}, "'--acyclic' only with kind random"},
      {{"data", "audit", std::string(TACIT_SOURCE_DIR) + "/README.md", "--count", "3"},
       "expected no '--count' beside SOURCE file, where it has no meaning"},
      {{"eval", "--model", "x", "--threads", "1025"}, "expected at most 1024 for '--threads' but got '1025'"},
      {{"eval", "--model", "x", "--latents", "9223372036854775807"}, "expected at most 1048576 for '--latents'"},
      {{"score", "--model", "x", "--tokens", "1", "--latents", "1048577"}, "expected at most 1048576 for '--latents'"},
      {{"compare", "--model", "x", "--latents", "1048577"}, "expected at most 1048576 for '--latents'"},
      {{"train", "--out", "x", "--latents", "1048577"}, "expected at most 1048576 for '--latents'"},
      {{"eval", "--model", "x", "--labels", "1000000000000"}, "expected at most 65536 for '--labels'"},
  };
  for (const Case& c : cases) {
    const Finished result = run_tacit(c.args);
    CAPTURE(joined(c.args));
    CAPTURE(result.err);
    CHECK(result.code == 2);
    CHECK(holds(result.err, c.message));
    CHECK(result.err.starts_with("tacit: "));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(result.out.empty());
  }
  const Finished nothing = run_tacit({});
  CHECK(nothing.code == 2);
  CHECK(holds(nothing.err, "Commands:"));
}

TEST_CASE("a file in a model's place: one line says that a folder was expected") {
  const ScratchFolder scratch;
  const std::string file = scratch / "README.md";
  put(file, "# a text");
  const std::vector<std::vector<std::string>> commands = {{"run", "--model", file, "--question", question()},
                                                          {"eval", "--model", file},
                                                          {"compare", "--model", file},
                                                          {"probe", "frontier", "--model", file},
                                                          {"score", "--model", file, "--tokens", "1"},
                                                          {"tokenize", "--model", file, "--text", "3"}};
  for (const auto& command : commands) {
    const Finished result = run_tacit(command);
    CAPTURE(joined(command));
    CAPTURE(result.err);
    CHECK(result.code == 1);
    CHECK(holds(result.err, "expected a model's folder, with config.json and weights, but got the file " + file));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  }
}

TEST_CASE("--config: options by name, the command line wins, an unknown name gets a suggestion") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  put(scratch / "good.json",
      Json{{"model", (scratch / "model").string()}, {"latents", 2}, {"tokens", "1,2"}, {"json", true}}.dump());
  const Finished from_file = run_tacit({"score", "--config", scratch / "good.json"});
  CAPTURE(from_file.err);
  REQUIRE(from_file.code == 0);
  CHECK(Json::parse(from_file.out).at("hidden").size() == 2);
  const Finished flags_win = run_tacit({"score", "--config", scratch / "good.json", "--latents", "1"});
  CHECK(Json::parse(flags_win.out).at("hidden").size() == 1);

  put(scratch / "typo.json", R"({"latent": 2})");
  put(scratch / "kind.json", R"({"latents": [2]})");
  put(scratch / "list.json", "[]");
  put(scratch / "broken.json", "{");
  for (const auto& [name, message, code] : {std::tuple{"typo.json", "did you mean 'latents'?", 2},
                                            {"kind.json", "'latents'", 2},
                                            {"list.json", "expected an object", 2},
                                            {"broken.json", "broken.json", 1},
                                            {"missing.json", "missing.json", 1}}) {
    const Finished result = run_tacit({"score", "--model", "x", "--tokens", "1", "--config", scratch / name});
    CAPTURE(result.err);
    CHECK(result.code == code);
    CHECK(holds(result.err, message));
  }
}
