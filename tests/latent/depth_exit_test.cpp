// Positions that leave before the last recurrence, against models of fewer recurrences.
#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <cmath>

#include "latent/session.h"
#include "lib/model/checkpoint.h"
#include "tests/lib/core_support.h"
#include "tests/support/depth_models.h"
#include "tests/support/fixture.h"

using namespace tacit;
using namespace tacit::test;

namespace {

constexpr int64_t kDeepest = 5;  // recurrences

std::vector<DepthModel> exit_models() {
  return {{"universal", depth_model(universal_json())},
          {"ouro", depth_model(ouro_json())},
          {"huginn", depth_model(huginn_json())},
          {"huginn without coda", depth_model(huginn_json({{"n_layers_in_coda", 0}}))}};
}

// By number of recurrences, from 1, the logits at every position [T, V].
std::vector<at::Tensor> logits_by_depth(const std::shared_ptr<const Transformer>& model) {
  std::vector<at::Tensor> out;
  for (int64_t r = 1; r <= kDeepest; ++r) {
    Session session(model, {.rows = 1, .capacity = 16, .recurrences = r});
    out.push_back(session.feed_for_logits({kDepthTokens})[0]);
  }
  return out;
}

double divergence(const at::Tensor& before_V, const at::Tensor& after_V) {
  const at::Tensor before = at::softmax(before_V, 0), after = at::softmax(after_V, 0);
  double sum = 0;
  for (int64_t v = 0; v < before.size(0); ++v) {
    const double p = before[v].item<double>();
    sum += p * (std::log(p) - std::log(after[v].item<double>()));
  }
  return sum;
}

// A threshold at which some leave early and some do not, in the widest gap of the middle half of all divergences:
// roundings, which differ between CPUs, do not reach across.
double middle(const std::vector<at::Tensor>& logits) {
  std::vector<double> all;
  for (int64_t r = 1; r < kDeepest; ++r) {
    for (int64_t t = 0; t < std::ssize(kDepthTokens); ++t) all.push_back(divergence(logits[r - 1][t], logits[r][t]));
  }
  std::ranges::sort(all);
  size_t widest = all.size() / 4;
  for (size_t i = widest; i < 3 * all.size() / 4; ++i) {
    if (all[i + 1] / all[i] > all[widest + 1] / all[widest]) widest = i;
  }
  REQUIRE(all[widest + 1] / all[widest] > 1.01);
  return std::sqrt(all[widest] * all[widest + 1]);
}

}  // namespace

TEST_CASE("with exit_kl each position gives what a model of so many recurrences as it took would give there") {
  for (const auto& [name, model] : exit_models()) {
    INFO(name);
    const auto logits = logits_by_depth(model);
    const double kl = middle(logits);
    Session session(model, {.rows = 1, .capacity = 16, .recurrences = kDeepest, .exit = {.kl = kl}});
    const at::Tensor got_TV = session.feed_for_logits({kDepthTokens})[0];
    REQUIRE(session.exits(0).size() == kDepthTokens.size());
    int64_t early = 0;
    for (int64_t t = 0; t < std::ssize(kDepthTokens); ++t) {
      int64_t taken = 2;
      while (taken < kDeepest && divergence(logits[taken - 2][t], logits[taken - 1][t]) >= kl) ++taken;
      CHECK(session.exits(0)[t] == taken);
      CHECK(relative_error(got_TV[t], logits[taken - 1][t]) < kDepthNear);
      early += taken < kDeepest;
    }
    CHECK(early > 0);
  }
}

TEST_CASE("positions leave alike whether fed at once or one by one, beside whom, in a fork or adopted") {
  for (const auto& [name, model] : exit_models()) {
    INFO(name);
    const SessionOptions options{
        .rows = 2, .capacity = 16, .recurrences = kDeepest, .exit = {.kl = middle(logits_by_depth(model))}};
    SessionOptions one = options;
    one.rows = 1;
    Session whole(model, options), alone(model, one);
    whole.prefill({kDepthTokens, {5, 6, 2}});
    for (const int64_t token : kDepthTokens) alone.feed({token});
    CHECK(whole.exits(0) == alone.exits(0));
    CHECK(relative_error(whole.logits_BV()[0], alone.logits_BV()[0]) < kDepthNear);
    Session fork = whole.fork({1, 0});
    CHECK(fork.exits(1) == whole.exits(0));
    fork.think({.max_steps = 2});
    alone.think({.max_steps = 2});
    CHECK(fork.exits(1) == alone.exits(0));
    whole.adopt(1, alone, 0);
    CHECK(whole.exits(1) == alone.exits(0));
    CHECK(whole.exits(1).size() == kDepthTokens.size() + 2);
    whole.truncate(std::vector<int64_t>{4, 5});
    CHECK(whole.exits(1).size() == 5);
  }
}

TEST_CASE("an exit threshold asked of a session is that of a config") {
  Json json = ouro_json();
  const auto never = depth_model(json);
  json["early_exit_threshold"] = 0.6;
  const auto early = std::make_shared<const Transformer>(model_config_from_json(json, "test.json"), never->weights());
  const auto fed = [&](const std::shared_ptr<const Transformer>& model, const DepthExit& exit) {
    Session session(model, {.rows = 1, .capacity = 16, .exit = exit});
    session.prefill({kDepthTokens});
    return std::pair(session.logits_BV(), session.exits(0));
  };
  CHECK(at::equal(fed(early, {}).first, fed(never, {.threshold = 0.6}).first));
  CHECK(fed(early, {}).second == fed(never, {.threshold = 0.6}).second);
  CHECK(relative_error(fed(early, {.threshold = 1}).first, fed(never, {}).first) < kDepthNear);
  CHECK(fed(never, {}).second.empty());
  // Whichever rule lets go first.
  const auto both = fed(never, {.threshold = 0.6, .kl = 1e9}).second;
  for (const int64_t exit : both) CHECK(exit <= 2);
}

TEST_CASE("exits are refused where there is nothing to leave") {
  const auto error = [](const Json& json, const DepthExit& exit) {
    return error_of([&] { Session(depth_model(json), {.rows = 1, .capacity = 8, .exit = exit}); });
  };
  CHECK(holds(error(llama_json(), {.kl = 0.1}), "expected no exit by divergence for a model without recurrent depth"));
  CHECK(
      holds(error(trm_json(), {.kl = 0.1}), "expected no exit by divergence for a model that reads its input at once"));
  CHECK(holds(error(ouro_json(), {.kl = -0.1}), "expected no exit by divergence"));
  CHECK(holds(error(universal_json(), {.threshold = 0.5}),
              "expected an exit threshold of at most 1 beside an exit gate"));
  CHECK(holds(error(ouro_json(), {.threshold = 1.5}), "expected an exit threshold of at most 1"));
}
