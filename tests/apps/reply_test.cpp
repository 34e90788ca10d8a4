#include "apps/reply.h"

#include <doctest/doctest.h>

#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

TEST_CASE("an answer is told token by token as it is written, and watching changes none of it") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  Thinker thinker = make_thinker(open_model(scratch / "model"), "latent", -1, 0, Json::object());
  thinker.procedure.stop_tokens = {};
  thinker.procedure.max_answer_tokens.reset();
  const AnswerRule rule{.max_tokens = 5};
  const Reply alone = ask(thinker, question(), {.rule = rule});
  std::vector<std::string> told;
  AskOptions options{.rule = rule};
  options.answering = [&](const std::string& text) { told.push_back(text); };
  const Reply watched = ask(thinker, question(), options);
  CHECK(watched.answer == alone.answer);
  CHECK(at::equal(watched.trace_KD, alone.trace_KD));
  REQUIRE(told.size() == 5);
  for (size_t i = 1; i < told.size(); ++i) {
    CHECK(told[i].size() > told[i - 1].size());
    CHECK(told[i].starts_with(told[i - 1]));
  }
  CHECK(told[0].starts_with(watched.answer));  // of graphs the first word counts
}

TEST_CASE(
    "a text is right or wrong by the rule, else as the expected text; of choices picked by likelihood it is neither") {
  Reply reply{.method = "cot", .answer = "8"};
  const RenderOptions options{.width = 60};
  const auto told = [&](const std::string& expected) {
    return join_words(verdict(reply, {nullptr, expected}, options));
  };
  CHECK(is_right(reply, {nullptr, "8"}) == true);
  CHECK(is_right(reply, {nullptr, "9"}) == false);
  CHECK(!is_right(reply, {}).has_value());
  reply.right = false;
  CHECK(told("8") == "answer 8 ✗ wrong, it is 8");
  reply.right.reset();
  reply.by_choice = true;
  for (const char* expected : {"8", "9"}) {
    CHECK(!is_right(reply, {nullptr, expected}).has_value());
    CHECK(told(expected) == std::string("answer 8 not judged, it is ") + expected);
  }
}
