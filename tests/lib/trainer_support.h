#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "lib/core/files.h"
#include "lib/model/checkpoint.h"
#include "lib/train/trainer.h"
#include "tests/lib/core_support.h"
#include "tests/support/tiny_model.h"

// A small training for the trainer's tests.
namespace tacit::test {

inline const std::string slot = "layers.0.query.weight";  // [8, 8]

inline Json trained_config() { return tiny_config({.hidden_size = 8, .layers = 1}); }

inline std::shared_ptr<Transformer> fresh_model() {
  return trainable_copy(*tiny_model({.hidden_size = 8, .layers = 1}));
}

inline at::Tensor drawn(int64_t seed, at::IntArrayRef shape) {
  const at::Tensor index = at::arange(c10::multiply_integers(shape), at::kFloat).view(shape);
  return at::sin(index * 1.7 + static_cast<double>(seed) * 0.9);
}

// Least squares on one matrix, through a head of the method's own: mean((W x + h - y)^2).
struct Regression {
  std::shared_ptr<Transformer> model = fresh_model();
  at::Tensor head = at::zeros({8, 1}, at::kFloat).requires_grad_(true);
  std::vector<at::Tensor> seen;       // the matrix at each update
  std::vector<at::Tensor> validated;  // and at each validation
  std::vector<double> figures;        // of the validation after update i
  int64_t updates = 0;

  TrainingProblem problem(bool with_head = true) {
    TrainingProblem out;
    out.loss = [this](const Transformer& m, int64_t step, int64_t micro) {
      const at::Tensor& w = m.weights().at(slot);
      seen.push_back(w.detach().clone());
      updates = step + 1;
      const int64_t seed = 10 * step + micro;
      const at::Tensor x = drawn(seed, {8, 4}), y = drawn(seed + 1000, {8, 4});
      return MicroBatch{(at::matmul(w, x) + head - y).square().mean(), {{"micro", static_cast<double>(micro)}}, 4};
    };
    out.validate = [this](const Transformer& m) {
      validated.push_back(m.weights().at(slot).detach().clone());
      const size_t i = static_cast<size_t>(std::max<int64_t>(updates - 1, 0));
      return Figures{{"error", i < figures.size() ? figures[i] : 0.0}};
    };
    if (with_head) out.own["head"] = head;
    return out;
  }
};

inline TrainerOptions options_of(int64_t steps) {
  TrainerOptions out;
  out.learning_rate = 0.05;
  out.schedule = {.steps = steps, .warmup_steps = 0, .decay_fraction = 0};
  out.checkpoint_every = 3;
  return out;
}

inline void run(Regression& r, const TrainerOptions& options, const std::filesystem::path& folder, bool resume = false,
                int64_t stop = 0, bool with_head = true) {
  const std::string recipe = Json({{"steps", options.schedule.steps}}).dump();
  train(r.model, r.problem(with_head), options, trained_config(), recipe, folder, resume,
        [stop](const Progress& p) { return p.done != stop; });
}

inline at::Tensor saved(const std::filesystem::path& folder, const std::string& name = slot) {
  return load_model(folder)->weights().at(name).clone();
}

inline std::vector<Json> lines_with(const std::filesystem::path& folder, const std::string& field) {
  std::vector<Json> out;
  for_each_line(folder / "metrics.jsonl", "test", [&](std::string_view text, int64_t) {
    Json line = Json::parse(text);
    line.erase("ms");
    if (line.contains(field)) out.push_back(line);
  });
  return out;
}

}  // namespace tacit::test
