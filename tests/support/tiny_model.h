#pragma once

#include <cstdint>
#include <memory>

#include "lib/core/json.h"
#include "lib/model/transformer.h"

namespace tacit::test {

struct TinyModelOptions {
  int64_t vocab_size = 20;
  int64_t hidden_size = 32;
  int64_t layers = 2;
  int64_t heads = 2;
  int64_t max_positions = 256;
  bool smeared_keys = true;
  uint64_t seed = 1;
};

// config.json of a model of family `tacit` that uses all it has: partial rotation, scaled embeddings, smeared keys, an
// unembedding of its own.
Json tiny_config(const TinyModelOptions& options = {});

// The same with random weights. Leaves one thread to tensor operations: on tensors this small a second one only waits,
// on a busy machine for seconds.
std::shared_ptr<const Transformer> tiny_model(const TinyModelOptions& options = {});

}  // namespace tacit::test
