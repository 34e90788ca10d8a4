#include "eval/flops.h"

#include <doctest/doctest.h>

#include "latent/session.h"

#include "tests/support/depth_models.h"

using namespace tacit;
using namespace tacit::test;

namespace {

// Of llama_json(): D = 16, F = 24, 4 heads of 4, 2 of keys and values, 2 layers, 20 words.
constexpr int64_t kBlockParameters = 2 * (16 * 16 + 2 * 16 * 8 + 16 * 16 + 3 * 16 * 24), kVocabulary = 2 * 20 * 16;
int64_t attention(int64_t context) { return 2 * 2 * 16 * context; }
int64_t position(int64_t context, int64_t runs) { return runs * (kBlockParameters + attention(context)); }

Solution solved(int64_t thoughts, int64_t tokens, bool stopped, bool halted = false) {
  return {.thoughts = {{thoughts}, {{}}, {halted}, {}},
          .answers = {{std::vector<int64_t>(static_cast<size_t>(tokens), 1), stopped}}};
}

int64_t sum(int64_t from, int64_t to, int64_t runs) {
  int64_t out = 0;
  for (int64_t context = from; context <= to; ++context) out += position(context, runs);
  return out;
}

}  // namespace

TEST_CASE("a problem's operations are those of its positions, and of the words that were read") {
  const ModelConfig llama = model_config_from_json(llama_json(), "test");
  const ModelConfig looped = model_config_from_json(universal_json(), "test");
  const Procedure direct{.answer_marker = {5}};
  // 10 tokens, the marker, a token of the answer; the stop token is read from it.
  CHECK(problem_flops(llama, 0, direct, 10, solved(0, 1, true)) == sum(1, 12, 2) + 2 * kVocabulary);
  // Without a stop token the last one is not fed.
  CHECK(problem_flops(llama, 0, direct, 10, solved(0, 3, false)) == sum(1, 13, 2) + 3 * kVocabulary);
  CHECK(problem_flops(llama, 0, direct, 10, solved(0, 0, false)) == sum(1, 11, 2));
  // Thoughts need no vocabulary, words do, also the one that ends the chain.
  CHECK(problem_flops(llama, 0, direct, 10, solved(4, 1, true)) == sum(1, 16, 2) + 2 * kVocabulary);
  Procedure words = direct;
  words.in_words = true;
  CHECK(problem_flops(llama, 0, words, 10, solved(4, 1, true, true)) == sum(1, 16, 2) + 7 * kVocabulary);
  Procedure parallel = direct;
  parallel.parallel = ParallelThinkOptions{.positions = 4, .iterations = 3};
  CHECK(problem_flops(llama, 0, parallel, 10, solved(4, 1, true)) ==
        sum(1, 16, 2) + 2 * sum(11, 14, 2) + 2 * kVocabulary);
  // Through a mask every token is set against every other, and nothing is kept.
  const Procedure masked{.mask = [](const TokenRows&) { return at::Tensor(); }};
  CHECK(problem_flops(llama, 0, masked, 10, solved(0, 1, false)) == 10 * position(10, 2) + kVocabulary);
  CHECK(problem_memory_bytes(llama, 0, masked, 10, solved(0, 1, false), 4) == 0);
  // Blocks that run again count as often.
  CHECK(problem_flops(looped, 0, direct, 10, solved(0, 1, true)) == sum(1, 12, 6) + 2 * kVocabulary);
  CHECK(problem_flops(looped, 5, direct, 10, solved(0, 1, true)) == sum(1, 12, 10) + 2 * kVocabulary);
}

TEST_CASE("what a row has stored is what a session allocates for as many positions") {
  for (const Json& json : {llama_json(), universal_json()}) {
    const ModelConfig config = model_config_from_json(json, "test");
    const Procedure procedure{.answer_marker = {5}};
    const auto model = std::make_shared<const Transformer>(Transformer(config, random_weights(config, 1, false)));
    // 10 tokens, 4 thoughts, the marker, a token of the answer; a session has a column of its own besides.
    const Session session(model, {.rows = 1, .capacity = 16}), larger(model, {.rows = 1, .capacity = 32});
    CHECK(problem_memory_bytes(config, 0, procedure, 10, solved(4, 1, true), 4) ==
          larger.memory_bytes_per_row() - session.memory_bytes_per_row());
  }
  const ModelConfig looped = model_config_from_json(universal_json(), "test");
  CHECK(3 * problem_memory_bytes(looped, 5, {}, 10, solved(0, 1, true), 2) ==
        5 * problem_memory_bytes(looped, 3, {}, 10, solved(0, 1, true), 2));
}
