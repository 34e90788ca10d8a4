#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lib/core/json.h"
#include "lib/core/progress.h"
#include "lib/model/transformer.h"
#include "lib/train/adamw.h"
#include "lib/train/data_parallel.h"
#include "lib/train/selection.h"
#include "lib/train/trained_weights.h"

namespace tacit {

struct TrainerOptions {
  double learning_rate = 1e-3;  // peak
  AdamWOptions adamw;
  Schedule schedule;       // schedule.steps is the length of the training
  double clip = 1;         // joint norm of the gradients; 0 = no clipping
  int64_t accumulate = 1;  // micro-batches an update and process
  bool bf16 = false;  // weights rounded to bf16 for the passes; weights themselves, moments, norms and loss in fp32
  int64_t checkpoint_every = 200;  // updates; the last one is always saved
  int64_t validate_every = 0;      // updates; 0 = never
  TrainedPart trained;             // all weights, low-rank factors, or a method's own alone
  double average_decay = 0;        // of the weights' exponential mean, which is validated and kept; 0 = off
  SelectionOptions selection;
  DataParallelOptions parallel;

  int64_t micro_batches() const { return accumulate * parallel.world_size; }  // an update
};

// What a micro-batch contributes. Figures are averaged over the micro-batches of an update, one that lacks a figure
// counting as 0, and written to metrics.jsonl; "step", "loss", "lr", "grad_norm", "tokens" and "ms" are the trainer's
// own.
struct MicroBatch {
  at::Tensor loss;  // scalar, from TrainingProblem::loss with gradient
  Figures figures;
  int64_t tokens = 0;  // positions processed, for the speed shown
};

// How a micro-batch's gradient is taken.
struct GradientOptions {
  bool bf16 = false;  // TrainerOptions::bf16
  double share = 1;   // factor on the loss

  bool operator==(const GradientOptions&) const = default;
};

struct TrainingProblem {
  // Loss of micro-batch `micro` (below TrainerOptions::micro_batches()) of update `step`; a pure function of the two
  // and the weights, so that training can resume and be shared among processes.
  std::function<MicroBatch(const Transformer& model, int64_t step, int64_t micro)> loss;
  // May be empty: the same loss with its gradient already added to the leaves, by a shorter way than a backward pass.
  // `model` has the weights as they are. Nothing = there is no such way for this micro-batch, take `loss`.
  std::function<std::optional<MicroBatch>(const Transformer& model, int64_t step, int64_t micro,
                                          const GradientOptions& options)>
      loss_and_gradient;
  std::function<Figures(const Transformer& model)> validate;  // may be empty
  std::function<bool(int64_t step)> resets_optimizer;         // before this update; may be empty
  // May be empty: puts the caller's own files into the folder, or refuses what lies there. Called by the process that
  // writes, once it is alone there and what is resumed was found to be the same, before anything else is written.
  std::function<void()> begin;
  // A method's own weights, by name: leaves in fp32 on the model's device, which `loss` and `validate` hold themselves.
  TensorMap own;
};

// Whether `directory` holds a training that could be resumed.
bool training_exists(const std::filesystem::path& directory);

// Fails unless train() could resume the training in `directory` with this recipe (lib/train/training_state.h).
void require_resumable(const std::filesystem::path& directory, const std::string& recipe);

// `recipe`, a JSON object, is what a resumed training must repeat; `config`, the model's config.json, is written. Both
// are checked first.
//
// Trains `model`'s leaves in place (those of a trainable_copy()), or, with options.trained, factors beside them or
// `problem.own` alone. In `directory`:
//   metrics.jsonl                   a line an update: step (from 1), loss, figures, lr, grad_norm, tokens, ms;
//                                   `validation`, `selected` and `stopped` lines between
//   training_state.safetensors      weights, moments, step: one file, so that no kill can leave a mixture
//   model.safetensors, config.json  the checkpoint itself (from `config`), written after the state: the weights of the
//   method.safetensors              last update or of the best validation, averaged where there is an average, low-rank
//                                   factors added in; a method's own where it has some
// With `resume` an existing state is continued (same `recipe` required, but for more "steps") and metrics.jsonl is cut
// back to it; without, an existing state is an error. On the CPU with one thread an interrupted training ends with the
// same bytes as an undisturbed one, the times in metrics.jsonl aside.
//
// Of several processes (options.parallel) each is called so, with the same recipe and weights, and takes micro-batches
// rank, rank + world_size, ...; gradients, losses and figures are averaged over all. Rank 0 alone writes; all must see
// `directory` to resume. When one's progress asks to stop, all do. From before it reads the state until it returns it
// has the folder for itself, or fails (lib/core/folder_lock.h).
void train(const std::shared_ptr<Transformer>& model, const TrainingProblem& problem, const TrainerOptions& options,
           const Json& config, const std::string& recipe, const std::filesystem::path& directory, bool resume,
           const ProgressCallback& progress);

}  // namespace tacit
