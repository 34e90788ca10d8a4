#include <string>

#include "lib/core/error.h"
#include "tests/lib/kernels_expert_routing_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("expert_routing and expert_sum on the CPU are their twins in fp64") {
  check_expert_kernels_everywhere(at::kCPU);
}

TEST_CASE("expert_routing gives a token the same bits whatever stands beside it") {
  const ExpertChoice choice = {.chosen = 3, .groups = 4, .chosen_groups = 2, .sigmoid = true, .scale = 2};
  const at::Tensor logits = at::randn({40, 16}), correction = at::rand({16});
  const ExpertRouting together = expert_routing_by_kernel(logits, correction, choice);
  for (int64_t n = 0; n < 40; ++n) {
    const ExpertRouting alone = expert_routing_by_kernel(logits.narrow(0, n, 1), correction, choice);
    CHECK(at::equal(alone.expert_NC[0], together.expert_NC[n]));
    CHECK(at::equal(alone.weight_NC[0], together.weight_NC[n]));
  }
}

TEST_CASE("expert_routing takes the lower number of equals, and 0 outside the groups before a negative inside") {
  const ExpertRouting equal = expert_routing_by_kernel(at::zeros({1, 5}), {}, {.chosen = 3});
  CHECK(at::equal(equal.expert_NC, at::tensor({0, 1, 2}, at::kLong).unsqueeze(0)));
  // Group 1 (experts 2, 3) is the better of two that are negative throughout.
  const ExpertRouting outside =
      expert_routing_by_kernel(at::zeros({1, 4}), at::tensor({-9.0f, -9.0f, -3.0f, -4.0f}),
                               {.chosen = 3, .groups = 2, .chosen_groups = 1, .sigmoid = true});
  CHECK(at::equal(outside.expert_NC, at::tensor({0, 1, 2}, at::kLong).unsqueeze(0)));
}

TEST_CASE("expert_routing of logits that are no numbers names experts that exist") {
  const at::Tensor logits = at::full({3, 8}, std::numeric_limits<float>::quiet_NaN());
  const ExpertRouting routing = expert_routing_by_kernel(logits, {}, {.chosen = 2});
  CHECK(routing.expert_NC.ge(0).logical_and(routing.expert_NC.lt(8)).all().item<bool>());
  CHECK(routing.begin_X1.back() == 6);
}

TEST_CASE("expert_routing of no tokens touches nothing") {
  expert_routing({.tokens = 0, .experts = 4, .chosen = 2}, {});
  expert_sum({.tokens = 0, .chosen = 2, .size = 3}, {.device = DeviceKind::cuda});
}

TEST_CASE("expert_routing refuses arguments that cannot be meant, saying which") {
  float x[8] = {};
  int64_t i[16] = {};
  const ExpertRoutingArgs good = {.tokens = 1,
                                  .experts = 4,
                                  .chosen = 2,
                                  .logits_NX = x,
                                  .expert_NC = i,
                                  .weight_NC = x,
                                  .token_M = i,
                                  .place_NC = i,
                                  .begin_X1 = i};
  const auto with = [&](auto change) {
    ExpertRoutingArgs args = good;
    change(args);
    return args;
  };
  const struct {
    ExpertRoutingArgs args;
    std::string message;
  } table[] = {
      {with([](auto& a) { a.tokens = -1; }), "[expert_routing] expected at least 0 tokens but got -1"},
      {with([](auto& a) { a.experts = 2000; }), "[expert_routing] expected 1 to 1024 experts but got 2000"},
      {with([](auto& a) { a.chosen = 5; }), "[expert_routing] expected 1 to 4 chosen experts but got 5"},
      {with([](auto& a) { a.groups = 3; }), "[expert_routing] expected groups that divide 4 experts but got 3"},
      {with([](auto& a) { a.groups = 4; }), "[expert_routing] expected at least 2 experts a group but got 1"},
      {with([](auto& a) { a.groups = 2, a.chosen_groups = 3; }),
       "[expert_routing] expected 1 to 2 chosen groups but got 3"},
      {with([](auto& a) { a.token_M = nullptr; }), "[expert_routing] expected token_M but it is null"},
  };
  for (const auto& row : table) CHECK_THROWS_WITH_AS(expert_routing(row.args, {}), row.message.c_str(), Error);
  CHECK_THROWS_WITH_AS(expert_sum({.tokens = 1, .chosen = 0, .size = 2}, {}),
                       "[expert_sum] expected at least 0 tokens, 1 choice and size 1 but got [1, 0, 2]", Error);
  CHECK_THROWS_WITH_AS(expert_sum({.tokens = 1, .chosen = 1, .size = 2, .found_MD = x}, {}),
                       "[expert_sum] expected weight_NC but it is null", Error);
}

}  // namespace
}  // namespace tacit::test
