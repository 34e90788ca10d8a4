#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "latent/feedback.h"
#include "latent/objective.h"
#include "latent/parallel.h"
#include "latent/unroll.h"
#include "lib/core/json.h"

namespace tacit {

enum class Projector { none, linear, mlp };

// What stands between a hidden state and the inputs that are made of it. By default nothing: the state itself is fed
// back [Coconut, arXiv:2412.06769]. With a head of its own the vector that names the next token need not be the next
// idea.
//
//   h = the state at `layer`, before or after the final norm
//   h <- U V h          V [width, D], U [D, width]; only with a width
//   z_j = head_j(h)     none: h;  linear: W h + b;  mlp: LayerNorm(W2 GELU(W1 h + b1) + b2) [CODI, arXiv:2502.21074]
//
// with j = 1 .. vectors: z_1, z_2, .. are fed at as many positions, and the next h is that of the last of them.
struct ThoughtHead {
  HiddenAt hidden_at = HiddenAt::after_norm;
  int64_t layer = -1;  // block behind which the state is read, from 0 in the order in which blocks run; -1 = the last
  int64_t width = 0;   // numbers that a thought passes through; 0 = all D
  Projector projector = Projector::none;
  int64_t vectors = 1;  // positions a thought

  bool is_hidden_state() const;  // Coconut's thought
  bool reads_layers() const { return layer >= 0; }
};

// A head's options of a method (Method::options), and the head that they say: what is absent keeps its default. Reading
// fails on what makes no sense.
Json head_options(const std::string& projector = "none");
ThoughtHead read_head(const Json& options, const std::string& source = "the method's options");

// Fresh weights "head.*": matrices N(0, 1/in), biases 0; but the first linear head starts as the identity.
MethodWeights head_weights(const ThoughtHead& head, int64_t hidden_size, uint64_t seed);

// z_`vector` (from 0) of states h [.., D] -> [.., D]; computed in fp32, of h's dtype.
at::Tensor apply_head(const ThoughtHead& head, const MethodWeights& weights, const at::Tensor& h, int64_t vector = 0);

// The inputs that follow where an unroll stands [B, vectors, D]. Other heads than those of the hidden state after the
// norm need an unroll that keeps layers.
at::Tensor next_thought(const Unroll& unroll, const ThoughtHead& head, const MethodWeights& weights);
// Takes `count` thoughts. -> what was fed [B, count * vectors, D]
at::Tensor think_on(Unroll& unroll, int64_t count, const ThoughtHead& head, const MethodWeights& weights);
// Whether next_thought() needs an unroll's layers.
bool needs_layers(const ThoughtHead& head);

// Of a method's own weights, failing where a checkpoint lacks it.
const at::Tensor& own_weight(const MethodWeights& weights, const std::string& name);

namespace feedback {

// The head as a feedback: one position a thought; of several vectors it notes h where the first is due.
Feedback projected(const ThoughtHead& head, const MethodWeights& weights);

}  // namespace feedback

namespace parallel {

// jacobi() of projected states: position k is fed head(h) of position k - 1. One vector a thought.
ParallelInputs projected_jacobi(at::Tensor start_D, const ThoughtHead& head, const MethodWeights& weights);

}  // namespace parallel

}  // namespace tacit
