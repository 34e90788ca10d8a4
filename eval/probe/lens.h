#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "eval/probe/chart.h"
#include "eval/probe/thinkers.h"

namespace tacit::probe {

// Entropy in nats of softmax(logits [V]). Logits of NaN are not looked for.
double readout_entropy(const at::Tensor& logits_V);

struct NearToken {
  int64_t token = 0;
  double cosine = 0;  // -1..1
};
// Tokens whose embedding points most nearly the same way, nearest first; the lowest id among equals. A vector or
// embedding of length 0 has cosine 0 with everything.
std::vector<NearToken> nearest_tokens(const at::Tensor& vector_D, const at::Tensor& embeddings_VD, int64_t top);

struct HullDistance {
  double distance = 0;   // from the point to the nearest point found in the hull
  double at_least = 0;   // proven: the hull is nowhere nearer than this
  int64_t vertices = 0;  // that the nearest point found is a mixture of
};
// Distance of a point to the convex hull of vertices [N, D], N >= 1, by Wolfe's minimum-norm-point algorithm [Wolfe
// 1976, "Finding the nearest point in a polytope", Mathematical Programming 11:128-149], a fully corrective form of
// Frank-Wolfe: exact after finitely many steps, stopped where the hull can be no nearer than distance - `tolerance` *
// (longest of vertices minus point). fp64. A mixture of token embeddings, which is what soft thinking feeds back, has
// distance 0.
HullDistance distance_to_hull(const at::Tensor& point_D, const at::Tensor& vertices_ND, double tolerance = 1e-7);

// The logit lens of every thought beside its nearest tokens and the hull of the embeddings, for the checkpoint and its
// controls. `hull_problems`: of so many problems only, for one distance reads the whole vocabulary many times.
struct LensOptions {
  int64_t top = 4;
  int64_t hull_problems = 50;  // 0 = the hull is left out
  int64_t shown = 3;           // problems whose readouts are listed
};
ProbeReport probe_lens(const LoadedModel& model, const RunOptions& run, const LensOptions& options = {});

}  // namespace tacit::probe
