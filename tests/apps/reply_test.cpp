#include "apps/reply.h"

#include <doctest/doctest.h>

#include "latent/halt.h"
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

TEST_CASE("a chain of words that runs into the cap is told so, one that ends by itself is not") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model", "cot");  // at most 5 words
  Thinker thinker = make_thinker(open_model(scratch / "model"));
  thinker.procedure.think.halt = halt::fixed(2);
  const Reply ended = ask(thinker, question());
  CHECK(!ended.cut_off);
  CHECK(capped_steps_text(ended) == "2 words");
  thinker.procedure.think.halt = halt::never();
  const Reply cut = ask(thinker, question());
  CHECK(cut.cut_off);
  CHECK(capped_steps_text(cut) == "5 words, the cap");
  CHECK(steps_text(cut) == "5 words");
  CHECK(holds(join_words(replies_side_by_side({"own", ended}, {"other", cut}, {}, {.width = 60})),
              "other · cot · 5 words, the cap · "));
  thinker.procedure = make_thinker(thinker.loaded, "coconut").procedure;
  CHECK(!ask(thinker, question()).cut_off);
}

TEST_CASE("a whole reply holds every word of the chain and of the answer, at any width") {
  Reply reply{.method = "cot", .in_words = true, .steps = 66, .cut_off = true};
  for (int i = 0; i < 64; ++i) reply.words.push_back("w" + std::to_string(i));
  reply.words.push_back(std::string(70, 'x'));
  reply.words.push_back("\x1b[2J");
  for (int i = 0; i < 30; ++i) reply.answer += (i > 0 ? " a" : "a") + std::to_string(i);
  std::string chain;
  for (const std::string& word : shown_words(reply)) chain += word;
  const std::string answer = "answer " + reply.answer + " ✗ wrong, it is 8";
  const auto without_spaces = [](std::string text) {
    std::erase(text, ' ');
    return text;
  };
  for (const int64_t width : {20, 33, 100}) {
    CAPTURE(width);
    const Lines lines = whole_reply({"words", reply}, {nullptr, "8"}, {.width = width});
    for (const std::string& line : lines) CHECK(display_width(line) <= width);
    const std::string text = without_spaces(join_words(lines, ""));
    CHECK(holds(text, "66words,thecap"));
    CHECK(holds(text, chain + without_spaces(answer)));
  }
  Reply thoughts{.method = "coconut", .answer = "8", .steps = 1};
  thoughts.grid.thoughts = {{{"a", 0.5}}};
  CHECK(whole_reply({"thoughts", thoughts}, {}, {}) ==
        Lines{"thoughts · coconut · 1 thought · 0.0 ms", "", "(1 thought that is no word)", "", "answer 8"});
}

TEST_CASE("equal shares are bars of one length in both panes of a picture, beside and above each other") {
  const auto reply_of = [](double most) {
    Reply reply{.method = "coconut", .answer = "8", .steps = 1};
    reply.grid.thoughts = {{{"a", most}, {"b", 0.1}}};
    return reply;
  };
  const Reply dim = reply_of(0.2), bright = reply_of(0.51);
  for (const int64_t width : {90, 40}) {
    CAPTURE(width);
    const std::string text =
        join_words(replies_side_by_side({"own", dim}, {"other", bright}, {}, {.width = width}), "\n");
    CAPTURE(text);
    const auto count = [&](const std::string& part) {
      int64_t found = 0;
      for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
      return found;
    };
    CHECK(count("a full bar is 51") == 2);
    CHECK(count("b        ██          10") == 2);
    CHECK(count("a        ███▉        20") == 1);
    CHECK(count("a        ██████████  51") == 1);
  }
}
