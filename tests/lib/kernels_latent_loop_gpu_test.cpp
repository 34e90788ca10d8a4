#include <iostream>

#include "lib/kernels/cuda_backend.h"
#include "lib/kernels/latent_loop/cuda_path.h"
#include "tests/lib/kernels_latent_loop_checks.h"
#include "tests/lib/row_major_call.h"

namespace tacit::test {
namespace {

constexpr LatentLoopCase kLoopGpuCases[] = {{at::kCUDA, at::kFloat, 2e-5}, {at::kCUDA, at::kBFloat16, 0.03}};

bool no_cuda() {
  if (enable_cuda()) return false;
  std::cout << "TACIT-SKIP: no CUDA device\n";
  return true;
}

std::vector<LatentLoopShape> cuda_shapes(const LatentLoopCase& entry) {
  std::vector<LatentLoopShape> out;
  for (const LatentLoopShape& shape : latent_loop_shapes()) {
    if (!shape.smeared && !(shape.int8 && entry.dtype == at::kFloat)) out.push_back(shape);
  }
  return out;
}

TEST_CASE("latent_loop on CUDA is its twin in fp64, for every structure") {
  if (no_cuda()) return;
  for (const LatentLoopCase& entry : kLoopGpuCases) {
    for (const LatentLoopShape& shape : cuda_shapes(entry)) check_latent_loop(entry, shape);
  }
}

TEST_CASE("latent_loop on CUDA gives the same bits step by step, and to each row alone") {
  if (no_cuda()) return;
  for (const LatentLoopCase& entry : kLoopGpuCases) {
    for (const LatentLoopShape& shape : cuda_shapes(entry)) check_latent_loop_bits(entry, shape);
  }
}

TEST_CASE("the persistent kernel and the graph give the same bits, again and again") {
  if (no_cuda()) return;
  for (const LatentLoopCase& entry : kLoopGpuCases) {
    for (const LatentLoopShape& shape : cuda_shapes(entry)) {
      if (shape.rows > 8) continue;
      CAPTURE(shape.name);
      const uint64_t seed = std::random_device()();
      CAPTURE(seed);
      const LatentLoopTensors start = random_loop(shape, entry.dtype, seed);
      const auto ran = [&](LoopPath path) {
        LatentLoopTensors t = on_device(start, entry);
        RowMajorCall call(t);
        latent_loop_cuda(call.args, kernel_place(t.x_BD, "test").stream, path);
        t.steps_B = call.steps();
        return t;
      };
      const LatentLoopTensors first = ran(LoopPath::graph);
      for (const LoopPath path : {LoopPath::persistent, LoopPath::graph, LoopPath::persistent, LoopPath::automatic})
        check_same_bits(ran(path), first);
    }
  }
}

TEST_CASE("a shape of GPT-2's size, many steps: the persistent kernel and the graph agree") {
  if (no_cuda()) return;
  const LatentLoopShape shape = {.name = "wide",
                                 .rows = 1,
                                 .steps = 20,
                                 .layers = 3,
                                 .size = 768,
                                 .heads = 12,
                                 .kv_heads = 12,
                                 .head_size = 64,
                                 .mlp_size = 3072,
                                 .layer_norm = true,
                                 .gated = false,
                                 .positions = true,
                                 .rotary_size = 0,
                                 .activation = LoopActivation::gelu_tanh};
  for (const LatentLoopCase& entry : kLoopGpuCases) {
    for (const int64_t rows : {1, 4, 8}) {
      LatentLoopShape wide = shape;
      wide.rows = rows;
      const LatentLoopTensors start = random_loop(wide, entry.dtype, 7);
      LatentLoopTensors graph = on_device(start, entry), persistent = on_device(start, entry);
      RowMajorCall by_graph(graph), at_once(persistent);
      latent_loop_cuda(by_graph.args, nullptr, LoopPath::graph);
      latent_loop_cuda(at_once.args, nullptr, LoopPath::persistent);
      graph.steps_B = by_graph.steps();
      persistent.steps_B = at_once.steps();
      check_same_bits(persistent, graph);
    }
  }
}

TEST_CASE("latent_loop on CUDA refuses what it cannot do, saying what") {
  if (no_cuda()) return;
  LatentLoopTensors t = on_device(random_loop({.rows = 9}, at::kFloat, 1), kLoopGpuCases[0]);
  RowMajorCall call(t);
  CHECK_THROWS_WITH_AS(latent_loop_cuda(call.args, nullptr, LoopPath::persistent),
                       doctest::Contains("[latent_loop] expected at most 8 rows"), Error);
  const at::Tensor host_BD = t.x_BD.cpu();
  call.args.x_BD = host_BD.const_data_ptr();
  CHECK_THROWS_WITH_AS(latent_loop_cuda(call.args, nullptr, LoopPath::automatic),
                       doctest::Contains("[latent_loop] expected x_BD in the memory of the CUDA device"), Error);
}

}  // namespace
}  // namespace tacit::test
