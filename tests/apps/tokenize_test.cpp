#include <doctest/doctest.h>

#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

TEST_CASE("tokenize: ids and the vocabulary's own strings, and back, without weights") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  std::filesystem::remove(scratch / "model/model.safetensors");
  const std::string model = scratch / "model";
  const Finished there = run_tacit({"tokenize", "--model", model, "--text", "3 5 | [R] 3", "--json"});
  REQUIRE(there.code == 0);
  CHECK(Json::parse(there.out) == Json{{"ids", {3, 5, 28, 30, 3}}, {"tokens", {"3", "5", "|", "[R]", "3"}}});
  const Finished back = run_tacit({"tokenize", "--model", model, "--ids", "3,5,28,30,3", "--json"});
  REQUIRE(back.code == 0);
  CHECK(Json::parse(back.out) == Json{{"text", "3 5 | [R] 3"}});
}

TEST_CASE("tokenize: the empty text and texts that look like options") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  const std::string model = scratch / "model";
  for (const std::vector<std::string>& text : {std::vector<std::string>{"--text", ""}, {"--text="}}) {
    std::vector<std::string> args = {"tokenize", "--model", model, "--json"};
    args.insert(args.end(), text.begin(), text.end());
    const Finished empty = run_tacit(args);
    CAPTURE(empty.err);
    REQUIRE(empty.code == 0);
    CHECK(Json::parse(empty.out) == Json{{"ids", Json::array()}, {"tokens", Json::array()}});
  }
  const Finished dash = run_tacit({"tokenize", "--model", model, "--text=--ids", "--json"});
  CHECK(holds(dash.err, "[tokenize]"));  // a word that this vocabulary lacks, not an option
  CHECK(dash.code == 1);
}
