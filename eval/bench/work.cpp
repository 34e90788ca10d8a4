#include "eval/bench/work.h"

#include <algorithm>

#include "lib/model/accounting.h"

namespace tacit {
namespace {

// Of one step of all rows.
Work step_work(const StepCost& cost, const WorkShape& shape) {
  const double rows = static_cast<double>(shape.rows), value = static_cast<double>(shape.bytes_per_value);
  const double memory =
      value * static_cast<double>(cost.memory_read) + 4 * static_cast<double>(cost.states_read);  // states are fp32
  const double matrices = static_cast<double>(cost.block_matrices_read) * (shape.int8_weights ? 1 : value);
  const double others = value * static_cast<double>(cost.weights_read - cost.block_matrices_read);
  return {matrices + others + rows * memory, rows * static_cast<double>(cost.flops)};
}

using CostOfStep = StepCost (*)(const ModelConfig&, int64_t context);

Work sum_of_steps(CostOfStep cost, const ModelConfig& config, const WorkShape& shape, int64_t context, int64_t steps) {
  Work sum;
  for (int64_t step = 0; step < steps; ++step) {
    const Work one = step_work(cost(config, context + step), shape);
    sum.bytes += one.bytes;
    sum.flops += one.flops;
  }
  return sum;
}

Work mean_of_steps(CostOfStep cost, const ModelConfig& config, const WorkShape& shape, int64_t context, int64_t steps) {
  const Work sum = sum_of_steps(cost, config, shape, context, steps);
  return {sum.bytes / static_cast<double>(steps), sum.flops / static_cast<double>(steps)};
}

// Weights of all blocks, once; their memory is written, not read.
Work question_work(const ModelConfig& config, const WorkShape& shape) {
  const double tokens = static_cast<double>(shape.rows) * static_cast<double>(shape.question);
  return {static_cast<double>(shape.bytes_per_value) * static_cast<double>(thought_cost(config, 1).weights_read),
          tokens * static_cast<double>(prompt_flops_per_token(config, shape.question))};
}

}  // namespace

Work thought_work(const ModelConfig& config, const WorkShape& shape, int64_t context, int64_t steps) {
  return mean_of_steps(thought_cost, config, shape, context, steps);
}

Work token_work(const ModelConfig& config, const WorkShape& shape, int64_t context, int64_t steps) {
  return mean_of_steps(token_cost, config, shape, context, steps);
}

Work answer_work(const ModelConfig& config, const WorkShape& shape) {
  const int64_t thinking = shape.question + 1, answering = thinking + shape.latents;
  const Work question = question_work(config, shape),
             thoughts = sum_of_steps(thought_cost, config, shape, thinking, shape.latents),
             answer = sum_of_steps(token_cost, config, shape, answering, shape.answer);
  return {question.bytes + thoughts.bytes + answer.bytes, question.flops + thoughts.flops + answer.flops};
}

Work training_work(const ModelConfig& config, const WorkShape& shape) {
  // Of the rest's `rest` tokens the last is only predicted.
  const int64_t fed = std::max<int64_t>(shape.rest - 1, 0), passes = 1 + shape.latents + (fed > 0 ? 1 : 0);
  const double rows = static_cast<double>(shape.rows), value = static_cast<double>(shape.bytes_per_value);
  const double table = static_cast<double>(config.vocab_size) * static_cast<double>(config.hidden_size);
  const double blocks = static_cast<double>(thought_cost(config, 1).weights_read);
  const Work question = question_work(config, shape),
             after = sum_of_steps(thought_cost, config, shape, shape.question + 1, shape.latents + fed);
  constexpr double forward_and_backward = 3, weight_reads = 2, optimizer_arrays = 7;
  const double parameters = static_cast<double>(account(config).parameters);
  return {weight_reads * value * (static_cast<double>(passes) * blocks + table) + optimizer_arrays * 4 * parameters,
          forward_and_backward * (question.flops + after.flops + 2 * table * rows * static_cast<double>(shape.rest))};
}

double floor_ms(const Work& work, double gb_per_s, double gflop_per_s) {
  return std::max(work.bytes / gb_per_s, work.flops / gflop_per_s) / 1e6;
}

}  // namespace tacit
