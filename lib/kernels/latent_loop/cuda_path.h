#pragma once

#include "lib/kernels/latent_loop/latent_loop.h"

namespace tacit {

// How latent_loop() runs on CUDA. Both ways do the same work in the same shares, so their answers are bitwise the same.
//
// graph:      a kernel a phase, captured once for a shape and replayed every step.
// persistent: one cooperative launch for all steps, whose blocks wait for each other's numbers 5 times a layer (3 where
//             attention and MLP are parallel) and not between steps. At most 8 rows, whose stream and inputs to a
//             product must fit the shared memory of one multiprocessor.
// automatic:  graph. The persistent kernel was a tenth faster on an H200 before both were rewritten; until a GPU has
//             run it as it is now, nobody meets a wait between blocks who has not asked for it.
//
// Neither waits for the device. Workspaces are kept by shape, at most 16 of them, and used by one call after the other,
// whatever the stream; leaving one for a 17th waits for its last call.
enum class LoopPath { automatic, graph, persistent };

void latent_loop_cuda(const LatentLoopArgs& args, void* stream, LoopPath path);

}  // namespace tacit
