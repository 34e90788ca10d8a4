#include <doctest/doctest.h>

#include "eval/bench/benchmarks.h"
#include "eval/bench/known_configs.h"
#include "eval/bench/machine_rates.h"
#include "eval/bench/random_model.h"
#include "eval/bench/work.h"
#include "lib/core/error.h"
#include "lib/model/accounting.h"
#include "tests/lib/core_support.h"
#include "tests/support/tiny_model.h"

using namespace tacit;

namespace {

ModelConfig gpt2() { return model_config_from_json(known_config("gpt2"), "gpt2"); }

// GPT-2's 12 blocks and final norm, by hand.
constexpr int64_t kBlock = 4 * 768 * 768 + 4 * 768 + 2 * 768 * 3072 + 3072 + 768 + 4 * 768;
constexpr int64_t kMatrices = 12 * (4 * 768 * 768 + 2 * 768 * 3072);
constexpr int64_t kStep = 12 * kBlock + 2 * 768 + 768;  // and a learned position
constexpr int64_t kTable = 50257 * 768;
constexpr int64_t kMemory = 12 * 2 * 768;  // values a position

}  // namespace

TEST_CASE("shapes by name are those of their authors' config.json") {
  for (const auto& [name, file] :
       {std::pair{"gpt2", "gpt2"}, {"llama-1b", "llama-3.2-1b"}, {"qwen3-0.6b", "qwen3-0.6b"}}) {
    CHECK(known_config(name) ==
          read_json(std::filesystem::path(TACIT_SOURCE_DIR) / "tests/lib/configs" / (std::string(file) + ".json"),
                    "test"));
  }
  CHECK(
      error_of([] { known_config("gtp2"); }) ==
      "[bench] expected gpt2, llama-1b, qwen3-0.6b or the path of a config.json but got 'gtp2', did you mean 'gpt2'?");
}

TEST_CASE("a thought of GPT-2 reads 85 M weights once for all rows, and every row's memory") {
  CHECK(12 * kBlock == 85'054'464);
  const Work one = thought_work(gpt2(), {.rows = 1, .bytes_per_value = 2}, 100, 1);
  CHECK(one.bytes == 2.0 * (kStep + kMemory * 100));
  CHECK(one.flops == 2.0 * kMatrices + 12 * 4 * 768 * 100);
  const Work four = thought_work(gpt2(), {.rows = 4, .bytes_per_value = 2}, 100, 1);
  CHECK(four.bytes == 2.0 * (kStep + 4 * kMemory * 100));
  CHECK(four.flops == 4 * one.flops);
  const Work int8 = thought_work(gpt2(), {.rows = 1, .bytes_per_value = 2, .int8_weights = true}, 100, 1);
  CHECK(int8.bytes == one.bytes - kMatrices);
  CHECK(int8.flops == one.flops);
  const Work mean = thought_work(gpt2(), {.rows = 1, .bytes_per_value = 4}, 100, 3);
  CHECK(mean.bytes == 4.0 * (kStep + kMemory * 101));
  CHECK(mean.flops == 2.0 * kMatrices + 12 * 4 * 768 * 101);
}

TEST_CASE("a token reads the vocabulary's matrix besides: 31 % of GPT-2") {
  const Work thought = thought_work(gpt2(), {.bytes_per_value = 2}, 50, 2),
             token = token_work(gpt2(), {.bytes_per_value = 2}, 50, 2);
  CHECK(token.bytes - thought.bytes == 2.0 * kTable);
  CHECK(token.flops - thought.flops == 2.0 * kTable);
  CHECK(static_cast<double>(kTable) / (12 * kBlock + kTable) == doctest::Approx(.31).epsilon(.02));
}

TEST_CASE("an answer is a question, its thoughts and its tokens") {
  const WorkShape shape{.rows = 3, .question = 20, .latents = 2, .answer = 4, .bytes_per_value = 4};
  const Work work = answer_work(gpt2(), shape);
  const double thoughts = kMemory * (21 + 22), tokens = kMemory * (23 + 24 + 25 + 26);
  CHECK(work.bytes == 4.0 * ((1 + 2 + 4) * kStep + 4.0 * kTable + 3 * (thoughts + tokens)));
  double flops = 20.0 * static_cast<double>(prompt_flops_per_token(gpt2(), 20));
  for (int64_t context = 21; context <= 26; ++context) {
    flops += static_cast<double>((context <= 22 ? thought_cost(gpt2(), context) : token_cost(gpt2(), context)).flops);
  }
  CHECK(work.flops == 3 * flops);
  const WorkShape nothing{.rows = 3, .question = 20, .latents = 0, .answer = 0, .bytes_per_value = 4};
  CHECK(answer_work(gpt2(), nothing).bytes == 4.0 * kStep);
}

TEST_CASE("an update is its passes three times, logits of trained tokens only, and the optimiser's seven arrays") {
  const WorkShape shape{.rows = 2, .question = 10, .latents = 3, .rest = 4, .bytes_per_value = 4};
  const Work work = training_work(gpt2(), shape);
  const double parameters = 124'439'808;
  CHECK(work.bytes == 2.0 * 4 * (5.0 * kStep + kTable) + 7 * 4 * parameters);
  double row = 10.0 * static_cast<double>(prompt_flops_per_token(gpt2(), 10)) + 4 * 2.0 * kTable;
  for (int64_t context = 11; context <= 16; ++context) row += static_cast<double>(thought_cost(gpt2(), context).flops);
  CHECK(work.flops == 3 * 2 * row);
  const WorkShape one_token{.rows = 2, .question = 10, .latents = 0, .rest = 1, .bytes_per_value = 4};
  CHECK(training_work(gpt2(), one_token).bytes == 2.0 * 4 * (kStep + kTable) + 7 * 4 * parameters);
}

TEST_CASE("the floor is the slower of reading and computing") {
  CHECK(floor_ms({.bytes = 50e6, .flops = 1}, 25, 100) == doctest::Approx(2));
  CHECK(floor_ms({.bytes = 1, .flops = 300e6}, 25, 100) == doctest::Approx(3));
}

TEST_CASE("rates are what they say of each other") {
  OrderedJson json;
  put_rates(json, {.bytes = 2e9, .flops = 8e9}, 100, 25, 160);
  CHECK(json.at("gb_per_s").get<double>() == doctest::Approx(20));
  CHECK(json.at("share_of_bandwidth").get<double>() == doctest::Approx(.8));
  CHECK(json.at("gflop_per_s").get<double>() == doctest::Approx(80));
  CHECK(json.at("share_of_flop_rate").get<double>() == doctest::Approx(.5));
  CHECK(json.at("floor_ms").get<double>() == doctest::Approx(80));
  CHECK(json.at("share_of_floor").get<double>() == doctest::Approx(.8));
}

TEST_CASE("subjects take turns, each first in its turn, and the first round is not counted") {
  std::string order;
  int calls = 0;
  const auto subject = [&](const char* name, double ms) {
    return Subject{name, [&order, &calls, name, ms] {
                     order += name;
                     return ms + (++calls <= 2 ? 1000 : 0);
                   }};
  };
  const Benchmark two{.name = "two", .subjects = {subject("a", 1), subject("b", 2)}, .result = {}};
  const Timings timings = time_in_turns(two, 3);
  CHECK(order ==
        "abab"
        "baab");
  CHECK((timings.at("a") == std::vector<double>{1, 1, 1}));
  CHECK(median_ratio(timings, "b", "a") == 2);
  int rounds = 0;
  CHECK_THROWS_AS(time_in_turns(two, 3, [&](const Progress&) { return ++rounds < 3; }), Interrupted);
  CHECK_THROWS_AS(time_in_turns(two, 0), Error);
}

TEST_CASE("random models: every family's slots, finite thoughts, the same for a seed") {
  const ModelConfig config = model_config_from_json(test::tiny_config(), "tiny");
  const auto model = random_model(config, at::kFloat, at::kCPU, 3),
             again = random_model(config, at::kFloat, at::kCPU, 3),
             other = random_model(config, at::kFloat, at::kCPU, 4);
  const std::string name = "layers.0.query.weight";
  const at::Tensor weight = model->weights().at(name);
  CHECK(at::equal(weight, again->weights().at(name)));
  CHECK_FALSE(at::equal(weight, other->weights().at(name)));
  CHECK(weight.std().item<double>() * std::sqrt(32.0) == doctest::Approx(1).epsilon(.1));
  CHECK((random_model(config, at::kBFloat16, at::kCPU, 3)->dtype() == at::kBFloat16));
  const BenchSetting setting{.model = model, .shape = {.rows = 2, .question = 5}};
  const TokenRows questions = bench_questions(setting);
  CHECK(questions[1][3] == (7919 + 104729 * 3 + 31 * 9) % 20);
  Session session(model, {.rows = 2, .capacity = 16});
  session.prefill(questions);
  session.think({.max_steps = 6});
  CHECK(session.hidden_BD().isfinite().all().item<bool>());
}

TEST_CASE("the machine's rates are numbers, and evicting changes none of them") {
  ReadProbe probe(at::kCPU);
  CHECK(probe.bytes() >= 256e6);
  CHECK(probe.ms() > 0);
  probe.evict();
  FlopProbe multiply(at::kCPU, at::kBFloat16);
  CHECK(multiply.flops() == 2.0 * 1536 * 1536 * 1536);
  CHECK(multiply.ms() > 0);
}
