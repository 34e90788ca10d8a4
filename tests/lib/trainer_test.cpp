#include <doctest/doctest.h>

#include "lib/core/safetensors.h"
#include "tests/lib/trainer_support.h"

using namespace tacit;
using namespace tacit::test;

namespace {

// Stops after each of `stops`, resumes with a new model each time, and holds every file equal to `whole`'s.
void check_resumes(const TrainerOptions& options, const std::vector<int64_t>& stops, const std::vector<double>& figures,
                   bool with_head) {
  const ScratchFolder scratch;
  Regression undisturbed;
  undisturbed.figures = figures;
  run(undisturbed, options, scratch / "whole", false, 0, with_head);
  for (int64_t stop : stops) {
    Regression part;
    part.figures = figures;
    CHECK_THROWS_AS(run(part, options, scratch / "parts", stop != stops[0], stop, with_head), Interrupted);
  }
  Regression rest;
  rest.figures = figures;
  run(rest, options, scratch / "parts", true, 0, with_head);
  for (const char* file : {"model.safetensors", "training_state.safetensors", "method.safetensors"}) {
    CAPTURE(file);
    REQUIRE(exists(scratch / "whole" / file) == exists(scratch / "parts" / file));
    if (!exists(scratch / "whole" / file)) continue;
    CHECK(read_file(scratch / "whole" / file, "test") == read_file(scratch / "parts" / file, "test"));
  }
  CHECK(lines_with(scratch / "whole", "step") == lines_with(scratch / "parts", "step"));
}

}  // namespace

TEST_CASE("low-rank factors get the gradient of the chain rule, and start without a say") {
  const double alpha = 5, scale = alpha / 2;
  const LoraOptions options{.rank = 2, .alpha = alpha, .targets = {"query"}, .seed = 3};
  const TensorMap weights = {{"layers.0.query.weight", drawn(1, {4, 3})}, {"layers.0.key.weight", drawn(2, {4, 3})}};
  const TensorMap factors = lora_factors(weights, options);
  REQUIRE(factors.size() == 2);
  const at::Tensor a = factors.at("lora/" + slot + ".a"), b = factors.at("lora/" + slot + ".b");
  CHECK(at::equal(a, lora_factors(weights, options).at("lora/" + slot + ".a")));
  for (const auto& [name, weight] : lora_merged(weights, factors, options)) CHECK(at::equal(weight, weights.at(name)));

  b.detach().copy_(drawn(4, {4, 2}));
  const TensorMap merged = lora_merged(weights, factors, options);
  for (int64_t o = 0; o < 4; ++o) {
    for (int64_t i = 0; i < 3; ++i) {
      double want = weights.at(slot)[o][i].item<double>();
      for (int64_t r = 0; r < 2; ++r) want += scale * b[o][r].item<double>() * a[r][i].item<double>();
      CHECK(merged.at(slot)[o][i].item<double>() == doctest::Approx(want).epsilon(1e-5));
    }
  }
  const at::Tensor gradient = drawn(5, {4, 3});  // dL/dW of L = sum(W * gradient)
  (merged.at(slot) * gradient).sum().backward();
  CHECK(at::allclose(b.grad(), scale * at::mm(gradient, a.detach().t()), 1e-5, 1e-6));
  CHECK(at::allclose(a.grad(), scale * at::mm(b.detach().t(), gradient), 1e-5, 1e-6));
}

TEST_CASE("low-rank factors of what is no matrix, or too large, are refused by name") {
  const TensorMap weights = {{"layers.0.query.weight", drawn(1, {4, 3})}, {"final_norm.weight", drawn(2, {4})}};
  CHECK(holds(error_of([&] { lora_factors(weights, {.rank = 1, .targets = {"final_norm"}}); }),
              "expected a matrix of the model (query) but got target 'final_norm'"));
  CHECK(holds(error_of([&] { lora_factors(weights, {.rank = 4, .targets = {"query"}}); }),
              "expected a rank of at most 3 for 'layers.0.query.weight' but got 4"));
  CHECK(holds(error_of([&] { lora_factors(weights, {.rank = 1, .targets = {"ery"}}); }), "target 'ery'"));
}

TEST_CASE("a low-rank training moves the product alone and leaves a merged checkpoint") {
  const ScratchFolder scratch;
  Regression plain, low;
  TrainerOptions options = options_of(7);
  run(plain, options, scratch / "plain", false, 0, false);
  options.trained.lora = {.rank = 2, .alpha = 3, .targets = {"query"}};
  run(low, options, scratch / "low", false, 0, false);
  CHECK(lines_with(scratch / "low", "loss")[0]["loss"] == lines_with(scratch / "plain", "loss")[0]["loss"]);
  const Safetensors state = read_safetensors(scratch / "low" / "training_state.safetensors");
  CHECK(state.tensors.size() == 6);  // A, B and two moments of each
  const at::Tensor a = map_tensor(state.tensors.at("weight/lora/" + slot + ".a")).clone(),
                   b = map_tensor(state.tensors.at("weight/lora/" + slot + ".b")).clone();
  const std::shared_ptr<const Transformer> before = fresh_model(), after = load_model(scratch / "low");
  for (const auto& [name, weight] : before->weights()) {
    CAPTURE(name);
    if (name != slot) CHECK(at::equal(after->weights().at(name), weight));
  }
  const at::Tensor move = after->weights().at(slot) - before->weights().at(slot);
  CHECK(at::allclose(move, 1.5 * at::mm(b, a), 1e-4, 1e-6));
  CHECK(move.abs().max().item<double>() > 0.01);
}

TEST_CASE("a method's own weights are trained, saved beside the model and read back") {
  const ScratchFolder scratch;
  Regression r;
  run(r, options_of(5), scratch / "out");
  const TensorMap own = load_method_weights(scratch / "out");
  REQUIRE(own.size() == 1);
  CHECK(at::equal(own.at("head"), r.head.detach()));
  CHECK(r.head.abs().max().item<double>() > 0.01);
  CHECK_FALSE(at::equal(saved(scratch / "out"), fresh_model()->weights().at(slot)));
  const auto files = checkpoint_files_in(scratch / "out");
  CHECK(std::ranges::count(files, scratch / "out" / "method.safetensors") == 1);

  Regression without;
  run(without, options_of(2), scratch / "without", false, 0, false);
  CHECK_FALSE(exists(scratch / "without" / "method.safetensors"));
  CHECK(load_method_weights(scratch / "without").empty());
  put(scratch / "without" / "method.safetensors", "torn");
  CHECK(holds(error_of([&] { load_method_weights(scratch / "without"); }), "without/method.safetensors"));
}

TEST_CASE("a frozen model stays as it is while a method's own weights are trained") {
  const ScratchFolder scratch;
  Regression r, none;
  TrainerOptions options = options_of(6);
  options.trained.freeze_model = true;
  run(r, options, scratch / "out");
  const std::shared_ptr<const Transformer> before = fresh_model(), after = load_model(scratch / "out");
  for (const auto& [name, weight] : before->weights()) CHECK(at::equal(after->weights().at(name), weight));
  CHECK(load_method_weights(scratch / "out").at("head").abs().max().item<double>() > 0.01);
  CHECK(holds(error_of([&] { run(none, options, scratch / "none", false, 0, false); }), "weights of its own"));
}

TEST_CASE("a state beside frozen weights is not continued beside others") {
  const ScratchFolder scratch;
  Regression r, other;
  TrainerOptions options = options_of(6);
  options.trained.freeze_model = true;
  CHECK_THROWS_AS(run(r, options, scratch / "out", false, 3), Interrupted);
  other.model->weights().at(slot).detach().add_(1);
  CHECK(holds(error_of([&] { run(other, options, scratch / "out", true); }), "but they have changed"));
}

TEST_CASE("the averaged weights are validated and kept, those of k updates ago weighing decay^k") {
  const ScratchFolder scratch;
  Regression r;
  TrainerOptions options = options_of(6);
  options.average_decay = 0.7;
  options.validate_every = 6;
  run(r, options, scratch / "out");
  r.seen.push_back(r.model->weights().at(slot).detach().clone());  // seen[t] = after update t
  at::Tensor mean = at::zeros({8, 8}, at::kDouble);
  double sum = 0;
  for (int64_t t = 1; t <= 6; ++t) {
    const double share = std::pow(0.7, 6 - t);
    mean += share * r.seen[t].to(at::kDouble);
    sum += share;
  }
  mean /= sum;
  CHECK((saved(scratch / "out").to(at::kDouble) - mean).abs().max().item<double>() < 1e-6);
  CHECK((r.seen[6].to(at::kDouble) - mean).abs().max().item<double>() > 1e-3);
  REQUIRE(r.validated.size() == 1);
  CHECK(at::equal(r.validated[0], saved(scratch / "out")));
}

TEST_CASE("the checkpoint is that of the best validation, the earlier of two equal ones") {
  const ScratchFolder scratch;
  for (const bool higher : {false, true}) {
    Regression r;
    r.figures = {5, 3, 4, 3, std::nan(""), 9};
    TrainerOptions options = options_of(6);
    options.validate_every = 1;
    options.selection = {.figure = "error", .higher_is_better = higher};
    const auto folder = scratch / (higher ? "higher" : "lower");
    run(r, options, folder);
    r.seen.push_back(r.model->weights().at(slot).detach().clone());
    CHECK(at::equal(saved(folder), r.seen[higher ? 6 : 2]));
    const Json last = lines_with(folder, "selected").back();
    CHECK(last["step"] == (higher ? 6 : 2));
    CHECK(last["selected"]["error"] == (higher ? 9 : 3));
    CHECK(lines_with(folder, "loss").size() == 6);
  }
}

TEST_CASE("a training ends after as many validations without a better one as it has patience, and stays ended") {
  const ScratchFolder scratch;
  Regression r, again;
  r.figures = again.figures = {5, 4, 6, 3, 7, 8, 9, 1};
  TrainerOptions options = options_of(8);
  options.validate_every = 1;
  options.selection = {.figure = "error", .patience = 2};
  run(r, options, scratch / "out");
  CHECK(lines_with(scratch / "out", "loss").size() == 6);
  CHECK(lines_with(scratch / "out", "stopped").back() ==
        Json({{"step", 6}, {"stopped", {{"patience", 2}, {"selected", 4}}}}));
  CHECK(at::equal(saved(scratch / "out"), r.seen[4]));
  run(again, options, scratch / "out", true);
  CHECK(again.seen.empty());
}

TEST_CASE("a figure that the validation does not have is refused before the first update") {
  const ScratchFolder scratch;
  Regression r;
  TrainerOptions options = options_of(8);
  options.validate_every = 4;
  options.selection.figure = "eror";
  CHECK(holds(error_of([&] { run(r, options, scratch / "out"); }), "to select by (error) but got 'eror'"));
  CHECK(r.seen.empty());
  options.selection.figure = "error";
  options.validate_every = 0;
  CHECK(holds(error_of([&] { run(r, options, scratch / "out"); }), "a training that is validated"));
}

TEST_CASE("a loss that is not one number with a gradient is refused") {
  const ScratchFolder scratch;
  for (const bool detached : {true, false}) {
    Regression r;
    TrainingProblem problem = r.problem();
    const auto loss = problem.loss;
    problem.loss = [&](const Transformer& model, int64_t step, int64_t micro) {
      MicroBatch out = loss(model, step, micro);
      out.loss = detached ? out.loss.detach() : out.loss.expand({2});
      return out;
    };
    const std::string error = error_of(
        [&] { train(r.model, problem, options_of(2), trained_config(), "{}", scratch / "out", /*resume=*/false, {}); });
    CHECK(holds(error, "[train] expected the loss to be one number with a gradient but got "));
    CHECK(holds(error, detached ? "one without" : "[2]"));
  }
}

TEST_CASE("whatever a training keeps, one that is interrupted and resumed ends with the bytes of an undisturbed one") {
  TrainerOptions options = options_of(10);
  SUBCASE("all weights") {}
  SUBCASE("factors") { options.trained.lora = {.rank = 2, .targets = {"query", "gate"}, .seed = 5}; }
  SUBCASE("own") { options.trained.freeze_model = true; }
  SUBCASE("average") { options.average_decay = 0.5; }
  SUBCASE("selection") {}
  options.validate_every = 2;
  options.selection = {.figure = "error", .patience = 3};
  check_resumes(options, {1, 4, 5, 7}, {9, 9, 9, 4, 4, 5, 5, 6, 6, 7}, true);
}

TEST_CASE("micro-batches that come with their gradient are counted as those that are differentiated here") {
  const ScratchFolder scratch;
  TrainerOptions options = options_of(5);
  options.accumulate = 3;
  Regression plain, mixed;
  run(plain, options, scratch / "plain");
  TrainingProblem problem = mixed.problem();
  int64_t given = 0;
  problem.loss_and_gradient = [&](const Transformer& model, int64_t step, int64_t micro,
                                  const GradientOptions& how) -> std::optional<MicroBatch> {
    if (micro % 2 == 1) return {};
    MicroBatch out = problem.loss(model, step, micro);
    (out.loss * how.share).backward();
    out.loss = out.loss.detach();
    ++given;
    return out;
  };
  train(mixed.model, problem, options, trained_config(), "{}", scratch / "mixed", /*resume=*/false, {});
  CHECK(given == 10);
  CHECK(lines_with(scratch / "mixed", "step") == lines_with(scratch / "plain", "step"));
  CHECK(at::equal(saved(scratch / "mixed"), saved(scratch / "plain")));
}

TEST_CASE("a figure with the name of one of the trainer's own is refused") {
  const ScratchFolder scratch;
  Regression r;
  TrainingProblem problem = r.problem();
  problem.loss = [loss = problem.loss](const Transformer& m, int64_t step, int64_t micro) {
    MicroBatch out = loss(m, step, micro);
    out.figures = {{"loss", 1.0}};
    return out;
  };
  const std::string error = error_of(
      [&] { train(r.model, problem, options_of(2), trained_config(), "{}", scratch / "out", /*resume=*/false, {}); });
  CHECK(holds(error, "expected figures of other names than the trainer's own but got 'loss'"));
}
