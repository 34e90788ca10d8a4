#pragma once

#include <ATen/ATen.h>

#include <compare>
#include <cstdint>
#include <vector>

#include "latent/objective.h"
#include "lib/model/config.h"

namespace tacit {

// Everything about a batch that decides which computation it is.
struct BatchShape {
  int64_t rows = 0, latents = 0;
  int64_t prompt_width = 0, rest_width = 0;  // columns, padding included
  int64_t trained = 0;                       // predictions, padding included

  int64_t numbers() const { return rows * (prompt_width + rest_width + 1) + 2 * trained; }  // in batch_numbers()
  friend auto operator<=>(const BatchShape&, const BatchShape&) = default;
};

// The shape without padding but what makes rows equally long. Fails on rows that no batch can be made of.
BatchShape batch_shape(const ModelConfig& config, const std::vector<TrainingRow>& rows);

// A larger shape for the same rows, one of a few. Its last columns may lie behind the model's last position.
BatchShape rounded_shape(BatchShape shape);

// The rows of a batch as tensors.
struct Batch {
  BatchShape shape;
  at::Tensor prompt_BT, rest_BT;  // ids; prompts padded on the left, the rest on the right
  at::Tensor begin_B;             // padding columns of each prompt
  // Trained predictions: flat index into [B, rest width], and the token; kNoLabel = padding.
  at::Tensor trained_N, label_N;
  // What the host knows of the rows beside the shape. Empty where a computation is recorded for other rows to come.
  std::vector<int64_t> begins;                  // begin_B
  std::vector<int64_t> prompt_size, rest_size;  // tokens, by row
};
constexpr int64_t kNoLabel = -100;  // what LibTorch's losses pass over

// The numbers of all of a batch's tensors, one behind the other, and the batch as views into such a tensor.
std::vector<int64_t> batch_numbers(const std::vector<TrainingRow>& rows, const BatchShape& shape);
Batch batch_of(const at::Tensor& numbers, const BatchShape& shape);

// In the given shape on a device, with what the host knows.
Batch make_batch(const std::vector<TrainingRow>& rows, const BatchShape& shape, at::Device device);

// Tokens and thoughts.
int64_t positions_of(const std::vector<TrainingRow>& rows);

}  // namespace tacit
