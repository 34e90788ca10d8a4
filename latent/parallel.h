#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lib/model/transformer.h"

namespace tacit {

// What is known before an iteration over all thought positions. Hidden states are those after the final norm.
struct ParallelState {
  const Transformer& model;
  int64_t iteration = 0;
  int64_t positions = 0;     // K
  at::Tensor before_BD;      // at the last position before the thoughts
  at::Tensor input_BKD;      // what the iteration before was fed; undefined at first
  at::Tensor hidden_BKD;     // what it gave; undefined at first
  std::vector<int64_t> ids;  // by row: a number that random draws depend on; empty = 0, 1, ..
};

// The inputs of an iteration [B, K, D]. With gradient where the state has it: training and thinking share it.
using ParallelInputs = std::function<at::Tensor(const ParallelState&)>;

// Thinking at K positions at once: all are fed, together, `iterations` times, each time with inputs made of what the
// time before gave; only the last time is remembered [PCCoT, arXiv:2506.18582; LOTUS, arXiv:2606.31779].
struct ParallelThinkOptions {
  std::string name;
  int64_t positions = 24;  // K, thoughts
  int64_t iterations = 3;  // >= 1 where there are positions
  ParallelInputs inputs;
  bool keep_trace = false;  // store the last inputs
};

namespace parallel {

// Jacobi iteration of the sequential loop [PCCoT, section 3.2]: position k is fed what the iteration before gave at k -
// 1, position 0 the hidden state before the thoughts, always; the first iteration starts the others with `start_D`.
// After as many iterations as positions the inputs are those of the sequential loop.
ParallelInputs jacobi(at::Tensor start_D);

}  // namespace parallel

}  // namespace tacit
