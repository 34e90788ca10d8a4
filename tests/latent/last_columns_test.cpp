// A prompt's last block runs for the last token of every row alone, but for what it stores: every family's fixture
// beside itself asked for the logits of all tokens.
#include <doctest/doctest.h>

#include "latent/session.h"
#include "lib/model/checkpoint.h"
#include "tests/support/fixture.h"

using namespace tacit;
using test::relative_error;

namespace {

// Of each row's last token.
at::Tensor last_of(const at::Tensor& logits_BTV, const TokenRows& tokens) {
  std::vector<at::Tensor> out;
  for (size_t b = 0; b < tokens.size(); ++b) {
    out.push_back(logits_BTV[static_cast<int64_t>(b)][std::ssize(tokens[b]) - 1]);
  }
  return at::stack(out);
}

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
