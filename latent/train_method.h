#pragma once

#include <filesystem>
#include <string>

#include "datasets/reach.h"
#include "latent/method.h"
#include "lib/train/trainer.h"

namespace tacit {

// Small graphs first: over the first `fraction` of the steps the ranges of nodes and depths grow linearly from these to
// those of `reach`. The lookup that a thought needs forms on small graphs and carries over to large ones (docs/log.md).
struct Growth {
  double fraction = 0;  // 0 turns it off
  int64_t min_nodes = 8, max_nodes = 12;
  int64_t min_depth = 1, max_depth = 4;
};

// Everything that decides what a training produces; a file under configs/ is one of these as JSON.
struct TrainConfig {
  std::string method = "frontier";
  std::string task = "reach";      // a generated task, prosqa or gsm8k_aug
  uint64_t seed = 1;               // of weights and data
  int64_t batch = 64;              // rows a micro-batch
  int64_t latents = 6;             // thoughts of the finished method
  Json options = Json::object();   // Method::options
  double thought_weight = 1;       // of the thoughts' divergence beside the tokens' cross entropy
  std::string frontier = "level";  // target of method frontier's thoughts, MethodSettings::frontier
  bool through_thoughts = true;    // LatentLossOptions
  bool recompute = false;          // LatentLossOptions, methods with thoughts
  // Method frontier: share of the steps over which the share of rows with ideal thoughts (LatentLossOptions) falls from
  // 1 to 0.
  double teacher_forcing = 0;
  // Method frontier: every batch thinks a number of thoughts drawn from least_latents to latents; where the target lies
  // deeper than the drawn number, the end is trained in place of an answer. 0 = always `latents`.
  int64_t least_latents = 0;
  int64_t walk_length = 40;          // words of a walk, method walk only
  bool walk_question = false;        // a question after the walk (datasets/reach.h)
  double curriculum_fraction = 0.6;  // share of the steps spent before the last stage, methods with stages
  bool reset_optimizer = false;      // forget the moments at each new stage (the original Coconut does)
  std::filesystem::path init;        // checkpoint to start from; empty = random weights of `model`
  bool matched_attention = true;     // random weights: attention starts as a lookup (lib/model/transformer.h)
  Json model;                        // config.json of a fresh model, without the section "tacit"
  ReachOptions reach;                // task reach
  Growth growth;                     // task reach
  Json generator;                    // options of another generated task (datasets/generated_task.h); null = none given
  std::filesystem::path data;        // tasks prosqa and gsm8k_aug: the file
  std::filesystem::path validation_data;  // such a file; empty = no validation
  std::filesystem::path tokenizer;        // such a task from random weights: folder whose tokenizer is taken
  // Such a task: tokens that the tokenizer is given beside its own. In a checkpoint they start as the token "<<", as in
  // Coconut, or as the mean of all where there is none.
  std::vector<std::string> add_tokens;
  Json markers = Json::object();  // such a task: MethodSettings::markers that differ from those found
  TrainerOptions trainer;
  // No part of the recipe, like the number of threads: where it computes, and whether it records and replays updates
  // there, refused where it cannot (latent/graphed_loss.h; not yet run on a GPU).
  at::Device device = at::kCPU;
  bool graphs = false;
};

// The defaults of `tacit train --method NAME --task reach`. Method frontier: explored, constant thoughts,
// teacher_forcing 0.4, thought_weight 10.
TrainConfig default_train_config(const std::string& method);
// Reads the fields given, keeping the defaults of the others; unknown fields are refused by name. Relative `init` paths
// are taken from the current folder.
TrainConfig train_config_from_json(const Json& json, const std::string& source);
OrderedJson to_json(const TrainConfig& config);

// Stage of the curriculum at a step: the first curriculum_fraction of the steps is shared evenly by all stages but the
// last.
int64_t curriculum_stage(int64_t step, int64_t steps, int64_t stages, double fraction);

// The generator's options at a step.
ReachOptions reach_at(const TrainConfig& config, int64_t step);

// Thoughts of the batch whose first example is number `first`: TrainConfig::least_latents.
int64_t latents_at(const TrainConfig& config, int64_t first);

// Share of rows with ideal thoughts at a step.
double teacher_forcing_at(const TrainConfig& config, int64_t step);

// Example `index` of the training data, drawn at a step: never one of validation or of `tacit data generate` (their
// seeds differ by construction).
Example training_example(const TrainConfig& config, int64_t step, int64_t index);

// Trains into `directory`, which becomes a checkpoint with tokenizer and the section "tacit" in its config.json.
void train_method(const TrainConfig& config, const std::filesystem::path& directory, bool resume,
                  const ProgressCallback& progress);

}  // namespace tacit
