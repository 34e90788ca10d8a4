#include "lib/train/adamw.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace tacit;

TEST_CASE("three updates of AdamW are those of the paper, decay on matrices only") {
  // Loshchilov and Hutter 2019, algorithm 2, in plain doubles.
  const double lr = 0.1, beta1 = 0.8, beta2 = 0.9, eps = 1e-8, decay = 0.05;
  const std::vector<double> gradients = {0.5, -2.0, 0.25};
  at::Tensor matrix = at::full({1, 1}, 3.0, at::kDouble).requires_grad_(true);
  at::Tensor vector = at::full({1}, 3.0, at::kDouble).requires_grad_(true);
  AdamW optimizer({{"matrix", matrix}, {"vector", vector}},
                  {.beta1 = beta1, .beta2 = beta2, .eps = eps, .weight_decay = decay});
  double m = 0, v = 0, with_decay = 3, without = 3;
  for (size_t t = 0; t < gradients.size(); ++t) {
    const double g = gradients[t];
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const double power = static_cast<double>(t + 1);
    const double move = lr * (m / (1 - std::pow(beta1, power))) / (std::sqrt(v / (1 - std::pow(beta2, power))) + eps);
    with_decay = with_decay * (1 - lr * decay) - move;
    without -= move;
    matrix.mutable_grad() = at::full({1, 1}, g, at::kDouble);
    vector.mutable_grad() = at::full({1}, g, at::kDouble);
    optimizer.step(lr);
    CHECK(matrix.item<double>() == doctest::Approx(with_decay).epsilon(1e-12));
    CHECK(vector.item<double>() == doctest::Approx(without).epsilon(1e-12));
  }
  optimizer.reset();
  matrix.mutable_grad() = at::full({1, 1}, 4.0, at::kDouble);
  vector.mutable_grad() = at::full({1}, 4.0, at::kDouble);
  optimizer.step(lr);  // without a past an update is the learning rate, whatever the gradient
  CHECK(vector.item<double>() == doctest::Approx(without - lr).epsilon(1e-6));
}

TEST_CASE("on the CPU an fp32 weight takes the update that any other takes, in one pass") {
  const at::Tensor start = at::randn({37, 129});
  at::Tensor narrow = start.clone().requires_grad_(true);
  at::Tensor wide = start.to(at::kDouble).requires_grad_(true);
  AdamW fused({{"w", narrow}}, {}), plain({{"w", wide}}, {});
  for (int step = 0; step < 5; ++step) {
    const at::Tensor gradient = at::randn_like(start) * 0.1;
    narrow.mutable_grad() = gradient;
    wide.mutable_grad() = gradient.to(at::kDouble);
    CHECK(clip_gradients({{"w", narrow}}, 0) == doctest::Approx(clip_gradients({{"w", wide}}, 0)).epsilon(1e-6));
    fused.step(0.01);
    plain.step(0.01);
    CHECK((narrow.detach().to(at::kDouble) - wide.detach()).abs().max().item<double>() < 2e-6);
  }
  CHECK((narrow.detach() - start).abs().max().item<double>() > 0.01);
}

TEST_CASE("clipping scales all gradients by one factor, and only when their joint norm is larger") {
  at::Tensor a = at::zeros({2}).requires_grad_(true), b = at::zeros({1}).requires_grad_(true);
  a.mutable_grad() = at::tensor({3.0f, 0.0f});
  b.mutable_grad() = at::tensor({4.0f});
  CHECK(clip_gradients({{"a", a}, {"b", b}}, 10) == doctest::Approx(5));
  CHECK(a.grad()[0].item<float>() == 3.0f);
  CHECK(clip_gradients({{"a", a}, {"b", b}}, 1) == doctest::Approx(5));
  CHECK(a.grad()[0].item<float>() == doctest::Approx(0.6));
  CHECK(b.grad()[0].item<float>() == doctest::Approx(0.8));
  CHECK(clip_gradients({{"a", a}, {"b", b}}, 0) == doctest::Approx(1));  // 0 = no clipping
  CHECK(b.grad()[0].item<float>() == doctest::Approx(0.8));
}

TEST_CASE("the schedule warms up, stays, and decays to its final ratio") {
  const Schedule schedule{.steps = 100, .warmup_steps = 10, .decay_fraction = 0.4, .final_ratio = 0.1};
  CHECK(schedule.factor(0) == doctest::Approx(0.1));
  CHECK(schedule.factor(9) == doctest::Approx(1));
  CHECK(schedule.factor(59) == doctest::Approx(1));
  CHECK(schedule.factor(80) == doctest::Approx(0.1 + 0.9 * 0.5));
  CHECK(schedule.factor(99) == doctest::Approx(0.1 + 0.9 / 40));
  for (int64_t step = 61; step < 100; ++step) CHECK(schedule.factor(step) < schedule.factor(step - 1));
}
