#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "lib/core/json.h"
#include "lib/core/progress.h"
#include "lib/model/transformer.h"
#include "lib/train/adamw.h"

namespace tacit {

struct TrainerOptions {
  double learning_rate = 1e-3;  // peak
  AdamWOptions adamw;
  Schedule schedule;       // schedule.steps is the length of the training
  double clip = 1;         // joint norm of the gradients; 0 = no clipping
  int64_t accumulate = 1;  // micro-batches an update
  bool bf16 = false;  // weights rounded to bf16 for the passes; weights themselves, moments, norms and loss in fp32
  int64_t checkpoint_every = 200;  // updates; the last one is always saved
  int64_t validate_every = 0;      // updates; 0 = never
};

// What a micro-batch contributes. Figures are averaged over the micro-batches of an update and written to
// metrics.jsonl.
struct MicroBatch {
  at::Tensor loss;  // scalar with gradient
  std::vector<std::pair<std::string, double>> figures;
  int64_t tokens = 0;  // positions processed, for the speed shown
};

struct TrainingProblem {
  // Leaves that are trained beside the model's, saved as method.safetensors; `loss` holds them itself. May be empty.
  std::map<std::string, at::Tensor> own;
  // Loss of micro-batch `micro` of update `step`; a pure function of the two and the weights, so that training can
  // resume.
  std::function<MicroBatch(const Transformer& model, int64_t step, int64_t micro)> loss;
  std::function<std::vector<std::pair<std::string, double>>(const Transformer& model)> validate;  // may be empty
  std::function<bool(int64_t step)> resets_optimizer;  // before this update; may be empty
};

// Whether `directory` holds a training that could be resumed.
bool training_exists(const std::filesystem::path& directory);

// Trains `model`'s leaves in place. In `directory`:
//   metrics.jsonl                   a line an update: step (from 1), loss, figures, lr, grad_norm, tokens, ms;
//                                   `validation` lines between
//   training_state.safetensors      weights, moments, step: one file, so that no kill can leave a mixture
//   model.safetensors, config.json  the checkpoint itself (from `config`), written after the state
// With `resume` an existing state is continued (same `recipe` required) and metrics.jsonl is cut back to it; without,
// an existing state is an error. On the CPU with one thread an interrupted training ends with the same bytes as an
// undisturbed one.
void train(const std::shared_ptr<Transformer>& model, const TrainingProblem& problem, const TrainerOptions& options,
           const Json& config, const std::string& recipe, const std::filesystem::path& directory, bool resume,
           const ProgressCallback& progress);

}  // namespace tacit
