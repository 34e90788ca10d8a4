#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "eval/bench/timing.h"
#include "eval/bench/work.h"
#include "latent/session.h"
#include "lib/model/transformer.h"

namespace tacit {

// A model and the size of the work it is timed on. The model's dtype is that of weights, memory and arithmetic; in
// training that of the passes, while weights and moments are fp32.
struct BenchSetting {
  std::shared_ptr<const Transformer> model;
  std::string config;   // its name in the result
  WorkShape shape;      // bytes_per_value is taken from the model
  uint64_t seed = 0;    // of the questions
  bool graphs = false;  // updates on CUDA are recorded and replayed (latent/graphed_loss.h)
};

// Each measures the machine's read bandwidth and its rate of multiplying matrices in the same turns. Results are JSON
// objects; "ms_median" and "ms_p95" are over the rounds and of one unit of work (a step, an update, a batch of
// problems), "bytes" and "flops" what that unit cannot do without (eval/bench/work.h), "gb_per_s" the first over the
// median, "share_of_bandwidth" that over "bandwidth_gb_per_s", and likewise for FLOPs; "floor_ms" is the least time on
// this machine.

// A thought, in Session::think of shape.latents thoughts after a question: "trace_overhead" is what recording them
// adds.
Benchmark latent_step_benchmark(const BenchSetting& setting);
// A token with its vocabulary projection, in decode() of shape.answer tokens after a question.
Benchmark token_step_benchmark(const BenchSetting& setting);
// An update of method coconut: latent_loss, backward, clipping, AdamW. "examples_per_s", "peak_memory_bytes".
Benchmark train_step_benchmark(const BenchSetting& setting);
// Question, thoughts and answer through solve(), as `tacit eval` runs a batch: "problems_per_s".
Benchmark answer_benchmark(const BenchSetting& setting);
// load_model() of a checkpoint against reading its file, both from the page cache. `scratch`: an empty folder that the
// checkpoint is written to.
Benchmark load_benchmark(const BenchSetting& setting, const std::filesystem::path& scratch);
// Every kernel at every size that it offers and whose name has `match` in it, beside its composed twin, from memory
// that the caches do not hold. Fails when there is none.
Benchmark kernels_benchmark(at::Device device, const std::string& match);

// The questions that are timed: token t of row b is (seed + 7919 b + 104729 t + 31 t^2) mod vocabulary, so that another
// program can ask the same.
TokenRows bench_questions(const BenchSetting& setting);

}  // namespace tacit
