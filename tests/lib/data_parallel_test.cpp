#include "lib/train/data_parallel.h"

#include <doctest/doctest.h>

#include <iostream>
#include <thread>

#include "lib/train/trainer.h"
#include "lib/train/update.h"
#include "tests/lib/core_support.h"
#include "tests/support/several_processes.h"
#include "tests/support/tiny_model.h"

using namespace tacit;
using namespace tacit::test;

namespace {

// Each rank in a thread of its own.  -> what it threw, by rank
std::vector<std::string> in_ranks(int64_t size, const std::function<void(const DataParallelOptions&)>& work) {
  const int64_t port = free_port();
  std::vector<std::string> errors(size);
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < size; ++rank) {
    threads.emplace_back(
        [&, rank] { errors[rank] = error_of([&] { work({.rank = rank, .world_size = size, .master_port = port}); }); });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

Json config() { return test::tiny_config({.hidden_size = 8, .layers = 1}); }

}  // namespace

TEST_CASE("every process gets every process's bytes, none and zeros included, and the same sums") {
  if (!can_run()) return;
  const std::vector<std::string> texts = {std::string("a\0b", 3), "", "longer than the others"};
  std::vector<std::vector<std::string>> got(3), nothing(3);
  std::vector<at::Tensor> sums(3);
  std::vector<char> all(3), most(3);
  const auto errors = in_ranks(3, [&](const DataParallelOptions& options) {
    const auto ranks = join_data_parallel(options);
    const size_t rank = static_cast<size_t>(options.rank);
    got[rank] = ranks->gather(texts[rank], "a test");
    nothing[rank] = ranks->gather("", "a test");
    at::Tensor values = at::arange(1000, at::kFloat) * static_cast<double>(rank + 1);
    ranks->sum(values, "a test");
    sums[rank] = values;
    all[rank] = ranks->all(true, "a test");
    most[rank] = ranks->all(rank != 1, "a test");
  });
  for (size_t rank = 0; rank < 3; ++rank) {
    CHECK(errors[rank].empty());
    CHECK(got[rank] == texts);
    CHECK(nothing[rank] == std::vector<std::string>(3));
    REQUIRE(sums[rank].defined());
    CHECK(at::equal(sums[rank], at::arange(1000, at::kFloat) * 6));
    CHECK(all[rank]);
    CHECK_FALSE(most[rank]);
  }
}

TEST_CASE(
    "a gradient is the mean over processes, none where no process has one, and a loss that is not finite stops all") {
  if (!can_run()) return;
  std::vector<TensorMap> own(2);
  std::vector<double> losses(2);
  std::vector<int64_t> tokens(2);
  const auto model = trainable_copy(*test::tiny_model({.hidden_size = 8, .layers = 1}));
  auto work = [&](const DataParallelOptions& parallel, bool broken) {
    const size_t rank = static_cast<size_t>(parallel.rank);
    for (const char* name : {"both", "second", "none"}) own[rank][name] = at::ones({2}).requires_grad_(true);
    TrainingProblem problem;
    problem.own = own[rank];
    problem.loss = [&, rank](const Transformer&, int64_t, int64_t micro) {
      at::Tensor loss = (own[rank]["both"] * static_cast<double>(micro + 1)).sum();  // micro-batch 0, 1
      if (rank == 1) loss = loss + (own[rank]["second"] * 6).sum() * (broken ? INFINITY : 1);
      return MicroBatch{loss, {}, micro + 5};
    };
    TrainerOptions options;
    options.clip = 0;
    options.trained.freeze_model = true;
    options.parallel = parallel;
    const TrainedWeights weights(model, problem.own, options.trained);
    AdamW optimizer(weights.leaves(), options.adamw);
    const auto ranks = join_data_parallel(parallel);
    const Update update = run_update(weights, problem, options, optimizer, *ranks, 0);
    losses[rank] = update.loss;
    tokens[rank] = update.tokens;
  };
  for (const std::string& error : in_ranks(2, [&](const DataParallelOptions& o) { work(o, false); }))
    CHECK(error.empty());
  for (size_t rank = 0; rank < 2; ++rank) {
    CHECK(losses[rank] == (2 * 1 + 2 * 2 + 2 * 6) / 2.0);
    CHECK(tokens[rank] == 11);
    CHECK(at::equal(own[rank]["both"].grad(), at::full({2}, 1.5)));
    CHECK(at::equal(own[rank]["second"].grad(), at::full({2}, 3.0)));
    CHECK_FALSE(own[rank]["none"].grad().defined());
    CHECK(at::equal(own[rank]["both"], own[1 - rank]["both"]));
    CHECK(at::equal(own[rank]["none"], at::ones({2})));
  }
  for (const std::string& error : in_ranks(2, [&](const DataParallelOptions& o) { work(o, true); }))
    CHECK(holds(error, "expected a finite loss but got inf at step 1"));
  CHECK(at::equal(own[0]["both"], at::ones({2})));
}

TEST_CASE("processes that start from different weights are told so") {
  if (!can_run()) return;
  const ScratchFolder scratch;
  const auto folder = scratch / "out";
  std::vector<std::shared_ptr<Transformer>> models;
  for (uint64_t seed : {1, 2}) {
    models.push_back(trainable_copy(*test::tiny_model({.hidden_size = 8, .layers = 1, .seed = seed})));
  }
  const auto errors = in_ranks(2, [&](const DataParallelOptions& parallel) {
    TrainingProblem problem;
    problem.loss = [](const Transformer& m, int64_t, int64_t) {
      return MicroBatch{m.unembedding().square().sum(), {}, 1};
    };
    TrainerOptions options;
    options.parallel = parallel;
    train(models[parallel.rank], problem, options, config(), "{}", folder, false, {});
  });
  for (const std::string& error : errors)
    CHECK(holds(error, "expected the weights and the progress of rank 0 in rank 1"));
  CHECK_FALSE(exists(folder));
}
