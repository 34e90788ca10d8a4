#pragma once

#include <cstdint>

#include "lib/model/config.h"

namespace tacit {

// What a piece of work cannot do without: bytes that must be read (in training also written) and operations, a
// multiply-add counting two. No cache holds a model, so every pass over the blocks reads all their weights, once for
// all rows. Experts are counted for one row; more rows may choose more of them. A prompt's last block counts whole,
// although all but its last token need only its keys and values.
struct Work {
  double bytes = 0, flops = 0;
};

struct WorkShape {
  int64_t rows = 1;
  int64_t question = 0;         // tokens, of every row
  int64_t latents = 0;          // thoughts
  int64_t rest = 0;             // tokens after the thoughts in training, all of them trained
  int64_t answer = 0;           // tokens decoded
  int64_t bytes_per_value = 4;  // of weights and memory
  bool int8_weights = false;    // matrices of blocks, in steps of one position; their scales are not counted
};

// Mean of `steps` steps of all rows, the first of which has `context` positions, its own included.
Work thought_work(const ModelConfig& config, const WorkShape& shape, int64_t context, int64_t steps);
Work token_work(const ModelConfig& config, const WorkShape& shape, int64_t context, int64_t steps);

// Question, thoughts and answer of all rows.
Work answer_work(const ModelConfig& config, const WorkShape& shape);

// One update: the forward passes (question, one a thought, rest), twice as much again backward, logits of trained
// tokens only; AdamW reads weight, gradient and both moments and writes three of them, in fp32.
Work training_work(const ModelConfig& config, const WorkShape& shape);

// The least time on a machine of these rates: either memory or arithmetic decides.
double floor_ms(const Work& work, double gb_per_s, double gflop_per_s);

}  // namespace tacit
