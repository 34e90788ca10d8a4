#include "latent/method.h"

#include <doctest/doctest.h>

#include "datasets/reach.h"
#include "latent/train_method.h"
#include "lib/core/error.h"
#include "tests/support/tiny_model.h"

using namespace tacit;

namespace {

const MethodSettings settings = {.method = "frontier",
                                 .latents = 3,
                                 .task = "reach",
                                 .markers = {.think = "[T]", .answer = "[A]", .pause = "[P]", .end = "[E]"}};

Example small_example() {
  Example e;
  e.question = "5 7 | 7 9 | 5 2 | [Q] 9 3 [R] 5";
  e.steps = {"7", "9"};
  e.answer = "9";
  e.meta = {{"root", "5"}, {"depth", 2}, {"frontiers", {{"2", "7"}, {"9"}}}};
  return e;
}

std::string trained_text(const TrainingRow& row, const Tokenizer& tokenizer) {
  std::vector<int64_t> ids;
  for (size_t i = 0; i < row.rest.size(); ++i) {
    if (row.rest_trained[i]) ids.push_back(row.rest[i]);
  }
  return tokenizer.decode(ids);
}

TrainingRow row_of(const std::string& name, int64_t stage, const Tokenizer& tokenizer, MethodSettings s = settings) {
  return method(name).row(small_example(), {s, tokenizer, s.latents, stage});
}

}  // namespace

TEST_CASE("each method's training text is its definition") {
  const auto tokenizer = make_word_tokenizer(reach_vocabulary(32));
  const std::string question = small_example().question;
  struct Case {
    std::string name;
    int64_t stage, latents;
    std::string prompt, rest, trained;
  };
  const std::vector<Case> cases = {
      {"direct", 0, 0, question, "[A] 9 [E]", "9 [E]"},
      {"cot", 0, 0, question + " [T]", "7 9 [A] 9 [E]", "7 9 [A] 9 [E]"},
      {"cot-frontier", 0, 0, question + " [T]", "2 7 ; 9 ; [A] 9 [E]", "2 7 ; 9 ; [A] 9 [E]"},
      {"coconut", 0, 0, question, "[T] 7 9 [A] 9 [E]", "7 9 [A] 9 [E]"},
      {"coconut", 1, 1, question, "[T] 9 [A] 9 [E]", "9 [A] 9 [E]"},
      {"coconut", 3, 3, question, "[A] 9 [E]", "9 [E]"},
      {"pause", 1, 0, question, "[P] [T] 9 [A] 9 [E]", "9 [A] 9 [E]"},
      {"pause", 3, 0, question, "[P] [P] [P] [A] 9 [E]", "9 [E]"},
      {"frontier", 0, 3, question, "[A] 9 [E]", "9 [E]"},
  };
  for (const Case& c : cases) {
    INFO(c.name, " stage ", c.stage);
    const TrainingRow row = row_of(c.name, c.stage, *tokenizer);
    CHECK(tokenizer->decode(row.prompt) == c.prompt);
    CHECK(row.latents == c.latents);
    CHECK(tokenizer->decode(row.rest) == c.rest);
    CHECK(trained_text(row, *tokenizer) == c.trained);
  }
}

TEST_CASE("a frontier thought's target is its level, or everything explored so far") {
  const auto tokenizer = make_word_tokenizer(reach_vocabulary(32));
  CHECK(row_of("frontier", 0, *tokenizer).thought_targets == std::vector<std::vector<int64_t>>{{2, 7}, {9}, {}});
  MethodSettings explored = settings;
  explored.frontier = "explored";
  CHECK(row_of("frontier", 0, *tokenizer, explored).thought_targets ==
        std::vector<std::vector<int64_t>>{{5, 2, 7}, {5, 2, 7, 9}, {5, 2, 7, 9}});
}

TEST_CASE("a method trained in stages ends, at inference, in the format of its last stage") {
  const auto tokenizer = make_word_tokenizer(reach_vocabulary(32));
  for (const std::string name : {"coconut", "pause", "frontier", "direct"}) {
    const Method& m = method(name);
    const Procedure p = bind_method(m, settings, tokenizer.get());
    const TrainingRow row = row_of(name, m.stages(settings.latents) - 1, *tokenizer);
    std::vector<int64_t> prompt = tokenizer->encode(small_example().question);
    prompt.insert(prompt.end(), p.prompt_suffix.begin(), p.prompt_suffix.end());
    CHECK(row.prompt == prompt);
    const int64_t paused = name == "pause" ? settings.latents : 0;
    CHECK(row.latents + paused == p.think.max_steps);
    CHECK(row.rest[static_cast<size_t>(paused)] == p.answer_marker.at(0));
    CHECK(row.rest.back() == p.stop_tokens.ids().at(0));
  }
}

TEST_CASE("a plain checkpoint without markers gets none inserted") {
  const Procedure p = bind_method(method("coconut"), {}, nullptr, 4);
  CHECK(p.prompt_suffix.empty());
  CHECK(p.answer_marker.empty());
  CHECK(p.stop_tokens.empty());
  CHECK(p.think.max_steps == 4);
  CHECK_THROWS_WITH_AS(bind_method(method("pause"), {}, nullptr),
                       doctest::Contains("[pause] expected a checkpoint with a pause token"), Error);
}

TEST_CASE("a method's loss is told from that of its rows, also in a method made from another") {
  const auto of_rows = [](const Method& m, const Json& options = Json::object()) {
    return loss_is_of_rows(m, method_options(m, options, "test"));
  };
  CHECK(of_rows(method("pause")));
  CHECK(of_rows(method("coconut")));
  CHECK(!of_rows(method("coconut"), {{"projector", "mlp"}}));
  CHECK(!of_rows(method("codi")));
  Method other = method("coconut");
  other.loss = [loss = other.loss](const LossContext& c) { return loss(c); };
  CHECK(!of_rows(other));
}

TEST_CASE("methods are found by name, 'latent' by the checkpoint, and a new one can be registered once") {
  CHECK(method("latent", settings).name == "frontier");
  CHECK_THROWS_WITH_AS(method("latent"), doctest::Contains("names a method for 'latent'"), Error);
  CHECK_THROWS_WITH_AS(method("coconutt"), doctest::Contains("did you mean 'coconut'?"), Error);
  CHECK_THROWS_WITH_AS(bind_method(method("walk"), settings, nullptr),
                       doctest::Contains("'walk' is a training objective only"), Error);
  Method mine{.name = "own-method", .summary = "test", .procedure = method("direct").procedure};
  register_method(mine);
  CHECK(method("own-method").summary == "test");
  CHECK_THROWS_WITH_AS(register_method(mine), doctest::Contains("'own-method' is taken"), Error);
  for (const char* name : {"", "latent"}) {
    mine.name = name;
    CHECK_THROWS_WITH_AS(register_method(mine), doctest::Contains("which means the checkpoint's own method"), Error);
  }
  const MethodSettings settings{.method = "own-method", .options = {{"there", 1}}};
  const MethodContext context{settings, nullptr, 3};
  CHECK(context.option("there") == 1);
  CHECK_THROWS_WITH_AS(context.option("nope"), doctest::Contains("expected an option of method 'own-method'"), Error);
  CHECK_THROWS_WITH_AS(context.weight("scale"), doctest::Contains("a checkpoint that was trained with 'scale'"), Error);
}

TEST_CASE("the settings survive config.json") {
  const MethodSettings back = read_method_settings({{"tacit", Json::parse(to_json(settings).dump())}}, "x");
  CHECK(to_json(back).dump() == to_json(settings).dump());
  CHECK_THROWS_WITH_AS(read_method_settings({{"tacit", {{"latent", 3}}}}, "config.json"),
                       doctest::Contains("tacit.latent"), Error);
}

TEST_CASE("the curriculum visits every stage in order and rests in the last") {
  int64_t last = 0;
  std::vector<int64_t> seen(7, 0);
  for (int64_t step = 0; step < 1000; ++step) {
    const int64_t stage = curriculum_stage(step, 1000, 7, 0.6);
    CHECK(stage >= last);
    last = stage;
    ++seen[stage];
  }
  CHECK(seen == std::vector<int64_t>{100, 100, 100, 100, 100, 100, 400});
  CHECK(curriculum_stage(0, 10, 1, 0.6) == 0);
  CHECK(curriculum_stage(0, 10, 7, 0) == 6);
}
