#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "decoding/decode.h"
#include "decoding/work.h"
#include "latent/method.h"
#include "latent/thought_tree.h"

namespace tacit {

// A tree of thoughts [arXiv:2305.10601] whose thoughts are vectors.
struct ThoughtSearchOptions {
  enum class Expand {
    noise,   // the feedback's own thought, and the same with Gaussian noise of `noise` times its root mean square
    tokens,  // the own thought, and the embeddings of its readout's likeliest tokens in its place
  };
  enum class Value {
    likelihood,  // mean log-probability of the answer that greedy decoding gives behind the thought
    entropy,     // minus the entropy of the readout behind the thought, nats
  };
  int64_t width = 4;   // thoughts that are kept after each step
  int64_t branch = 2;  // children of each, the first of which is the own thought; 1 x 1 is plain thinking
  Expand expand = Expand::noise;
  double noise = 0.1;
  Value value = Value::likelihood;
};

// In place of ThoughtSearchOptions::value: a number for each of these nodes of the tree, the largest is kept.
using ThoughtValue = std::function<std::vector<double>(const ThoughtTree& tree, std::span<const int64_t> nodes)>;

// The best path.
struct FoundThoughts {
  Thoughts thoughts;  // of one row, with its trace
  Decoded answer;     // greedy
  double value = 0;   // 0 where nothing had to be compared
  WorkDone work;      // of the whole tree, the prompt included
};

// Grows a tree behind the prompt (with the suffix), all branches of a step as one batch that sees its ancestors only
// (latent/thought_tree.h): every thought that is kept proposes the next; a thought whose halting rule stops it stays as
// it is and competes. Of equal values the earlier branch is kept. Nothing is valued before there is a choice. Draws
// depend on seed, the problem's id, the branch and the step. Fails where the procedure writes, thinks in parallel or
// leaves early, and where the model keeps states of fixed size.
FoundThoughts search_thoughts(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
                              const std::vector<int64_t>& prompt, const ThoughtSearchOptions& options,
                              int64_t max_answer_tokens, int64_t recurrences = 0, uint64_t seed = 0, int64_t id = 0,
                              const ThoughtValue& value = {}, const AnswerComplete& complete = {});

}  // namespace tacit
