#include <cmath>
#include <memory>

#include "lib/kernels/int8_rows.h"
#include "lib/kernels/kernel_case.h"
#include "lib/kernels/latent_loop/cuda_path.h"
#include "lib/kernels/latent_loop/loop_call.h"

namespace tacit {
namespace {

// GPT-2 124M with random weights.
std::shared_ptr<LatentLoopTensors> gpt2(int64_t rows, int64_t steps, WeightFormat format, at::TensorOptions options) {
  constexpr int64_t D = 768, H = 12, E = 64, F = 3072, L = 12, C = 512, stored = 330;
  const auto random = [&](at::IntArrayRef shape, double deviation) { return at::randn(shape, options) * deviation; };
  const auto linear = [&](int64_t outputs, int64_t inputs) {
    at::Tensor weight_OI = random({outputs, inputs}, 1 / std::sqrt(static_cast<double>(inputs)));
    if (format == WeightFormat::int8) weight_OI = from_int8(to_int8(weight_OI), weight_OI.scalar_type());
    return LoopLinearTensors{weight_OI, at::zeros({outputs}, options)};
  };
  const LoopNormTensors norm{at::ones({D}, options), at::zeros({D}, options)};
  auto t = std::make_shared<LatentLoopTensors>();
  t->sizes = {.steps = steps,
              .size = D,
              .heads = H,
              .kv_heads = H,
              .head_size = E,
              .mlp_size = F,
              .columns = C,
              .format = format,
              .layer_norm = true,
              .gated = false,
              .activation = LoopActivation::gelu_tanh,
              .attention_scale = 0.125f};
  for (int64_t l = 0; l < L; ++l) {
    LoopLayerTensors layer;
    layer.attention_norm = layer.mlp_norm = norm;
    layer.query_key_value = linear(3 * D, D);
    layer.out = linear(D, D);
    layer.up = linear(F, D);
    layer.down = linear(D, F);
    layer.k_BGCE = random({rows, H, C, E}, 1);
    layer.v_BGCE = random({rows, H, C, E}, 1);
    t->block.push_back(layer);
  }
  t->positions_PD = random({C, D}, 0.02);
  t->final_norm = norm;
  t->stored_B.assign(rows, stored);
  t->x_BD = random({rows, D}, 1);
  t->hidden_BD = random({rows, D}, 1);
  return t;
}

}  // namespace

// Thoughts of GPT-2 124M after a question of 330 tokens. The twin goes row by row and step by step.
std::vector<KernelCase> latent_loop_cases(const Place& place, const std::string& match) {
  std::vector<KernelCase> out;
  const auto device = place.device == DeviceKind::cpu ? at::kCPU : at::kCUDA;
  const std::pair<at::ScalarType, WeightFormat> kinds[] = {
      {at::kFloat, WeightFormat::scalar}, {at::kBFloat16, WeightFormat::scalar}, {at::kBFloat16, WeightFormat::int8}};
  for (const auto& [dtype, format] : kinds) {
    const bool int8 = format == WeightFormat::int8;
    for (const auto& [rows, steps] : {std::pair{1, 1}, std::pair{1, 6}, std::pair{4, 1}}) {
      const std::string name = "latent_loop gpt2 " + std::string(dtype == at::kFloat ? "fp32" : "bf16") +
                               (int8 ? " int8" : "") + " rows " + std::to_string(rows) + " steps " +
                               std::to_string(steps);
      // On CUDA a path's name follows.
      if ((name + " graph").find(match) == name.npos && (name + " persistent").find(match) == name.npos) continue;
      const auto tensors = gpt2(rows, steps, format, at::TensorOptions(device).dtype(dtype));
      const auto call = std::make_shared<LoopCall>(*tensors);
      double matrices = 0, remembered = 0;  // values
      for (const LoopLayerTensors& l : tensors->block) {
        for (const LoopLinearTensors* x : {&l.query_key_value, &l.out, &l.up, &l.down})
          matrices += static_cast<double>(x->weight_OI.numel());
        remembered += 2 * static_cast<double>(l.k_BGCE.numel()) * 330.0 / 512;
      }
      const double size = static_cast<double>(tensors->x_BD.element_size());
      out.push_back({.name = name,
                     .bytes = steps * ((int8 ? 1 : size) * matrices + size * remembered),
                     .flops = 2 * rows * steps * (matrices + remembered / rows),
                     .run = [tensors, call] { call->run(); },
                     .twin = [tensors, dtype = dtype] { latent_loop_reference(*tensors, dtype); }});
      if (place.device == DeviceKind::cpu) continue;
      const KernelCase usual = out.back();
      for (const auto& [path_name, path] :
           {std::pair{" graph", LoopPath::graph}, std::pair{" persistent", LoopPath::persistent}}) {
        KernelCase by_path = usual;
        by_path.name += path_name;
        by_path.run = [call, path = path, stream = place.stream] { latent_loop_cuda(call->args(), stream, path); };
        out.push_back(by_path);
      }
    }
  }
  return out;
}

}  // namespace tacit
