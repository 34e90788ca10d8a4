#include <doctest/doctest.h>

#include "datasets/reach.h"
#include "eval/rescore.h"
#include "eval/scorers/derivation.h"
#include "eval/scorers/scorers.h"
#include "lib/core/rng.h"
#include "tests/lib/core_support.h"

namespace tacit {
namespace {

const Example kProsqa{.id = "prosqa",
                      .question =
                          "Every shumpus is a rempus. Every terpus is a brimpus. Every brimpus is a lempus. "
                          "Tom is a terpus. Every rempus is a scrompus. Alex is a rempus. "
                          "Is Tom a lempus or scrompus?",
                      .answer = "Tom is a lempus."};

const Example kProntoqa{.id = "prontoqa",
                        .question =
                            "Brimpuses are not floral. Each zumpus is a gorpus. Gorpuses are rompuses. "
                            "Every rompus is floral. Stella is a zumpus. Lempuses are cold. "
                            "True or false: Stella is not floral.",
                        .answer = "False"};

}  // namespace

TEST_CASE("sentences of ProsQA and ProntoQA are read as statements") {
  CHECK(parse_statement("Every yumpus is a rempus") == Statement{"yumpus", "rempus", true});
  CHECK(parse_statement("Each lorpus is an impus") == Statement{"lorpus", "impus", true});
  CHECK(parse_statement("Yumpuses are rempuses") == Statement{"yumpus", "rempus", true});
  CHECK(parse_statement("Yumpuses are not luminous") == Statement{"yumpus", "luminous", false});
  CHECK(parse_statement("All cats are carnivores") == Statement{"cat", "carnivore", true});
  CHECK(parse_statement("Tom is not a yumpus") == Statement{"Tom", "yumpus", false});
  for (const char* none : {"", "Tom", "Tom is", "Is Tom a lempus or scrompus", "Tom is a very big yumpus", "True"})
    CHECK_FALSE(parse_statement(none).has_value());
}

TEST_CASE("proof: a chain counts when every step follows and it ends with the right answer") {
  struct Case {
    const char* text;
    bool written, proves;
  };
  const Scorer rule = scorer("proof");
  CHECK(rule.score_chain(kProsqa, "Tom is a terpus. Every terpus is a brimpus.", "Every brimpus is a lempus.").correct);
  for (const Case& c :
       {Case{"Tom is a terpus.\nEvery terpus is a brimpus.\nEvery brimpus is a lempus.\n### Tom is a lempus.", true,
             true},
        {"Tom is a terpus. Every terpus is a brimpus. Every brimpus is a lempus. Tom is a lempus.", true, true},
        {"Tom is a terpus. Tom is a brimpus. Tom is a lempus.", true, true},
        {"Every terpus is a brimpus. Every brimpus is a lempus.\n### Tom is a lempus.", true, false},  // no root
        {"Tom is a terpus. Every brimpus is a lempus.\n### Tom is a lempus.", true, false},            // a gap
        {"Tom is a terpus. Every terpus is a lempus.\n### Tom is a lempus.", true, false},             // no such rule
        {"Tom is a terpus. Every terpus is a brimpus.\n### Tom is a lempus.", true, false},            // too short
        {"Alex is a rempus. Every rempus is a scrompus.\n### Tom is a lempus.", true, false},          // another root
        {"Tom is a rempus. Every rempus is a scrompus.\n### Tom is a scrompus.", true, false},
        {"### Tom is a lempus.", false, false},
        {"Tom is a lempus.", false, false},
        {"7 .52 3 .44 | 9 .98\nTom is a lempus.", false, false},  // a readout of thoughts is no chain
        {"", false, false}}) {
    CAPTURE(c.text);
    const Score score = rule.score(kProsqa, c.text);
    CHECK(score.extracted == c.written);
    CHECK(score.correct == c.proves);
  }
  for (const Case& c : {Case{"Stella is a zumpus. Each zumpus is a gorpus. Stella is a gorpus. Gorpuses are rompuses. "
                             "Stella is a rompus. Every rompus is floral. Stella is floral. False",
                             true, true},
                        {"Stella is a zumpus. Stella is a gorpus. Stella is a rompus. Stella is floral.", true, true},
                        {"Stella is a zumpus. Stella is a rompus. Stella is floral.", true, false},
                        {"Stella is a brimpus. Brimpuses are not floral. Stella is not floral.", true, false},
                        {"Stella is a zumpus. Each zumpus is a gorpus.", true, false},
                        {"False", false, false}}) {
    CAPTURE(c.text);
    const Score score = rule.score(kProntoqa, c.text);
    CHECK(score.extracted == c.written);
    CHECK(score.correct == c.proves);
  }
  Example wrong = kProntoqa;
  wrong.answer = "True";  // the chain proves the other
  CHECK_FALSE(
      rule.score(wrong, "Stella is a zumpus. Stella is a gorpus. Stella is a rompus. Stella is floral.").correct);
  CHECK(holds(error_of([&] { rule.score({.id = "q", .question = "Why?", .answer = "Because"}, "x"); }), "'q'"));
}

TEST_CASE("proof in symbols: nodes along edges, or levels of a search") {
  // 3 -> 5 -> 8, 3 -> 2 -> 9, 7 -> 9
  const Json graph = {{"nodes", 7}, {"edges", {{0, 1}, {1, 2}, {0, 3}, {3, 4}, {5, 4}}}, {"root", 0}};
  const Example example{.id = "x",
                        .question = "3 5 | 5 8 | 3 2 | 2 9 | 7 9 | [Q] 8 1 [R] 3",
                        .answer = "8",
                        .meta = {{"graph", graph}, {"labels", {"3", "5", "8", "2", "9", "7", "1"}}}};
  struct Case {
    const char* text;
    bool written, proves;
  };
  for (const Case& c : {Case{"5 8", true, true},
                        {"5 8\n8", true, true},
                        {"3 5 8", true, true},
                        {"5 2 ; 8 9 ;\n8", true, true},
                        {"5 2 ; 8 7 ;\n8", true, false},
                        {"5", true, false},
                        {"8", true, false},
                        {"2 9", true, false},
                        {"5 8 9", true, false},
                        {"5 .52 8 .44\n8", false, false},
                        {"", false, false}}) {
    CAPTURE(c.text);
    const Score score = scorer("proof").score(example, c.text);
    CHECK(score.extracted == c.written);
    CHECK(score.correct == c.proves);
  }
}

TEST_CASE("the reference chain of every drawn problem is a proof; without a step, or with a foreign one, it is none") {
  const Scorer rule = scorer("proof");
  Rng rng(1);
  for (const ReachStyle style : {ReachStyle::symbols, ReachStyle::english}) {
    ReachOptions options{.style = style};
    for (int64_t i = 0; i < 40; ++i) {
      const Example example = reach_example(options, 4, i);
      CAPTURE(example.question);
      const char* between = style == ReachStyle::symbols ? " " : "\n";
      CHECK(rule.score(example, joined(example.steps, between)).correct);
      std::vector<std::string> gap = example.steps;
      gap.erase(gap.begin() + rng.below(std::ssize(gap)));
      // In rare graphs the gap is bridged by an edge of its own; no node is a step of itself.
      const Score short_one = rule.score(example, joined(gap, between));
      std::vector<std::string> twice = example.steps;
      std::swap(twice.front(), twice.back());
      CHECK_FALSE(rule.score(example, joined(twice, between)).correct);
      if (style == ReachStyle::english) CHECK_FALSE(short_one.correct);
    }
  }
}

TEST_CASE("thoughts in words stand before the text for a scorer that reads them") {
  Task task;
  task.name = "prosqa";
  task.scorers = {scorer("sentence"), scorer("proof")};
  Sample sample;
  sample.id = "prosqa";
  sample.thoughts = "Tom is a terpus. Every terpus is a brimpus. Every brimpus is a lempus.";
  sample.text = "Tom is a lempus.";
  score(sample, kProsqa, task);
  CHECK(sample.correct);
  CHECK(sample.answer == "Tom is a lempus.");
  REQUIRE(sample.scores.size() == 1);
  CHECK(sample.scores[0].scorer == "proof");
  CHECK(sample.scores[0].score.correct);
  sample.thoughts = "lempus .98 | terpus .50 Tom .44";
  score(sample, kProsqa, task);
  CHECK(sample.correct);
  CHECK_FALSE(sample.scores[0].score.extracted);
}

}  // namespace tacit
