// A prompt's last block runs for the last token of every row alone, but for what it stores: every family's fixture
// beside itself asked for the logits of all tokens.
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include "latent/session.h"
#include "lib/core/error.h"
#include "lib/memory/inference_memory.h"
#include "lib/model/checkpoint.h"
#include "lib/model/memory_layout.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

using namespace tacit;
using test::relative_error;
using test::tiny_model;

namespace {

// Of each row's last token.
at::Tensor last_of(const at::Tensor& logits_BTV, const TokenRows& tokens) {
  std::vector<at::Tensor> out;
  for (size_t b = 0; b < tokens.size(); ++b) {
    out.push_back(logits_BTV[static_cast<int64_t>(b)][std::ssize(tokens[b]) - 1]);
  }
  return at::stack(out);
}

// Notes how many queries the last call of attend() had.
class CountingMemory : public Memory {
 public:
  explicit CountingMemory(Memory& inner) : inner_(inner) {}
  at::Tensor attend(int64_t layer, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE, const at::Tensor& v_BGTE,
                    const AttentionOptions& options) override {
    queries.push_back(q_BHTE.size(2));
    return inner_.attend(layer, q_BHTE, k_BGTE, v_BGTE, options);
  }
  at::Tensor state(int64_t layer, int64_t which) const override { return inner_.state(layer, which); }
  void set_state(int64_t layer, int64_t which, const at::Tensor& value) override {
    inner_.set_state(layer, which, value);
  }
  at::Tensor real_BT() const override { return inner_.real_BT(); }

  std::vector<int64_t> queries;  // by call

 private:
  Memory& inner_;
};

void check_family(const std::filesystem::path& folder, const std::vector<int64_t>& prompt, bool keep_layers) {
  const std::shared_ptr<const Transformer> model = load_model(folder);
  if (keep_layers && model->config().nested.high_cycles > 0) return;  // has no stack whose layers could be kept
  const int64_t capacity = std::min<int64_t>(40, model->config().max_positions);
  const bool at_once = model->config().bidirectional;
  const std::vector<int64_t> shorter(prompt.begin() + 2, prompt.end());
  for (const TokenRows& prompts : {TokenRows{prompt, shorter, {prompt[1]}}, TokenRows{prompt, prompt, prompt}}) {
    const SessionOptions options{.rows = 3, .capacity = capacity, .fused = false, .keep_layers = keep_layers};
    Session all(model, options), last(model, options);
    const at::Tensor want_BV = last_of(all.feed_for_logits(prompts), prompts);
    last.prefill(prompts);
    CHECK(relative_error(last.logits_BV(), want_BV) < 1e-5);
    if (keep_layers) {
      const StepState got = last.state(std::vector<int64_t>{0, 1, 2}, 0),
                      want = all.state(std::vector<int64_t>{0, 1, 2}, 0);
      for (int64_t layer = 0; layer < model->config().layers; ++layer)
        CHECK(relative_error(got.layer_BD(layer), want.layer_BD(layer)) < 1e-5);
    }
    if (at_once) continue;
    // Another segment, behind rows of other lengths; the second row waits.
    const TokenRows more = {{5, 7}, {}, {6, 2, 9}};
    const at::Tensor before_V = last.logits_BV()[1];
    const at::Tensor more_BTV = all.feed_for_logits(more);
    last.feed(more);
    CHECK(relative_error(last.logits_BV()[0], more_BTV[0][1]) < 1e-5);
    CHECK(at::equal(last.logits_BV()[1], before_V));
    CHECK(relative_error(last.logits_BV()[2], more_BTV[2][2]) < 1e-5);
    // What was stored is the same: a thought looks at all of it.
    const ThinkOptions think{.max_steps = 2, .keep_trace = true};
    CHECK(relative_error(last.think(think).trace_BKD, all.think(think).trace_BKD) < 1e-5);
  }
}

}  // namespace

TEST_CASE("every family's hidden state behind a prompt is that of all columns, in rows of many lengths") {
  int64_t families = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::fixture(""))) {
    if (!std::filesystem::exists(entry.path() / "expected.json")) continue;
    const std::string name = entry.path().filename().string();
    INFO(name);
    const auto prompt = test::expected_of(name)["prompt"].get<std::vector<int64_t>>();
    for (const bool keep_layers : {false, true}) check_family(entry.path(), prompt, keep_layers);
    ++families;
  }
  CHECK(families >= 21);
}

TEST_CASE("the last block asks for the last columns alone, and for no others") {
  const auto model = tiny_model();
  InferenceMemory memory({.layout = memory_layout(model->config()), .rows = 2, .capacity = 16});
  CountingMemory counting(memory);
  const at::NoGradGuard no_grad;
  for (const std::vector<int64_t>& counts : {std::vector<int64_t>{5, 3}, {4, 4}, {0, 2}}) {
    const int64_t width = std::ranges::max(counts);
    const at::Tensor position_BT = memory.open(counts, width, "test"), x_BTD = model->embed(position_BT);
    counting.queries.clear();
    const at::Tensor hidden = model->forward(x_BTD, position_BT, counting, {}, nullptr, memory.last());
    memory.close();
    CHECK(hidden.sizes() == at::IntArrayRef({2, 1, model->config().hidden_size}));
    std::vector<int64_t> want(model->config().layers, width);
    want.back() = 1;
    CHECK(counting.queries == want);
  }
  const at::Tensor position_BT = memory.open(std::vector<int64_t>{3, 3}, 3, "test");
  CHECK_THROWS_WITH_AS(
      model->forward(model->embed(position_BT), position_BT, memory, {}, nullptr, at::tensor({1, 2}, at::kLong)),
      doctest::Contains("[attend] expected queries of all 3 columns or of one but got 2"), Error);
}
