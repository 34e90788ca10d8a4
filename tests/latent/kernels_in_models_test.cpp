// Whole models by kernels against the same models by the kernels' twins: every family's fixture, ragged, fed in pieces,
// with thoughts.
#include <doctest/doctest.h>

#include "latent/session.h"
#include "lib/kernels/twins_only.h"
#include "lib/model/checkpoint.h"
#include "tests/support/fixture.h"

using namespace tacit;
using test::relative_error;

namespace {

struct Heard {
  at::Tensor prompt_BTV, thoughts_BKD, after_BV;
};

Heard run(const std::shared_ptr<const Transformer>& model, const std::vector<int64_t>& prompt) {
  const int64_t capacity = 40;
  Session session(model, {.rows = 3, .capacity = std::min(capacity, model->config().max_positions)});
  Heard out;
  const TokenRows prompts = {prompt, {prompt[1]}, {prompt.begin() + 2, prompt.end()}};
  if (model->config().bidirectional) {
    out.prompt_BTV = session.feed_for_logits({prompt, prompt, prompt});
    return out;
  }
  out.prompt_BTV = session.feed_for_logits(prompts);
  // Padding says nothing.
  for (size_t b = 0; b < prompts.size(); ++b) {
    const int64_t size = std::ssize(prompts[b]);
    out.prompt_BTV[static_cast<int64_t>(b)].narrow(0, size, std::ssize(prompt) - size).zero_();
  }
  out.thoughts_BKD = session.think({.max_steps = 4, .keep_trace = true}).trace_BKD;
  session.feed(TokenRows{{5}, {6, 2, 9}, {}});
  out.after_BV = session.logits_BV();
  return out;
}

struct Fixture {
  std::string name;
  std::filesystem::path folder;
  std::vector<int64_t> prompt;
};

std::vector<Fixture> all_fixtures() {
  std::vector<Fixture> out;
  for (const auto& entry : std::filesystem::directory_iterator(test::fixture(""))) {
    if (!std::filesystem::exists(entry.path() / "expected.json")) continue;
    const std::string name = entry.path().filename().string();
    out.push_back({name, entry.path(), test::expected_of(name)["prompt"].get<std::vector<int64_t>>()});
  }
  CHECK(out.size() >= 21);
  return out;
}

// The median over positions of the largest difference relative to the largest logit: where a choice of experts is near
// a tie, rounding decides it, and a few positions have nothing in common.
double median_error(const at::Tensor& got_BTV, const at::Tensor& want_BTV) {
  const at::Tensor largest_BT = want_BTV.abs().amax(-1);
  const at::Tensor error_BT = (got_BTV.to(at::kFloat) - want_BTV).abs().amax(-1) / largest_BT;
  return error_BT.masked_select(largest_BT > 0).median().item<double>();
}

}  // namespace

TEST_CASE("models by kernels are the models by their twins in fp32") {
  for (const Fixture& f : all_fixtures()) {
    INFO(f.name);
    const auto model = load_model(f.folder, {});
    const Heard fast = run(model, f.prompt);
    const TwinsOnly slow;
    const Heard plain = run(model, f.prompt);
    CHECK(relative_error(fast.prompt_BTV, plain.prompt_BTV) < 5e-5);  // sums in another order
    if (!plain.thoughts_BKD.defined()) continue;
    constexpr double amplified = 5e-4;  // by thoughts, as between batches (parity_test.cpp)
    CHECK(relative_error(fast.thoughts_BKD, plain.thoughts_BKD) < amplified);
    CHECK(relative_error(fast.after_BV, plain.after_BV) < amplified);
  }
}

TEST_CASE("in bf16 a model by kernels is as near to itself in fp32 as by the twins") {
  double all_by_kernels = 0, all_by_twins = 0;
  for (const Fixture& f : all_fixtures()) {
    INFO(f.name);
    const auto model = load_model(f.folder, {.dtype = at::kBFloat16});
    const at::Tensor fast_BTV = run(model, f.prompt).prompt_BTV;
    const TwinsOnly slow;
    const at::Tensor plain_BTV = run(model, f.prompt).prompt_BTV;
    const at::Tensor exact_BTV = run(load_model(f.folder, {}), f.prompt).prompt_BTV;
    const double by_kernels = median_error(fast_BTV, exact_BTV), by_twins = median_error(plain_BTV, exact_BTV);
    CHECK(by_kernels < 2 * by_twins);
    all_by_kernels += by_kernels;
    all_by_twins += by_twins;
  }
  CHECK(all_by_kernels < 1.1 * all_by_twins);
}
