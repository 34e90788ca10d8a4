#include "lib/kernels/latent_loop/latent_loop.h"

#include <cmath>

#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr auto kName = "latent_loop";

void check_linear(const LoopLinear& linear, const char* name, int64_t outputs, int64_t inputs) {
  require(linear.weight_OI != nullptr, kName, "expected weights of ", name, " but they are null");
  require(linear.outputs == outputs && linear.inputs == inputs, kName, "expected ", name, " of shape [", outputs, ", ",
          inputs, "] but got [", linear.outputs, ", ", linear.inputs, "]");
}

void check_layer(const LatentLoopArgs& a, const LoopLayer& l) {
  check_linear(l.query_key_value, "query_key_value", (a.heads + 2 * a.kv_heads) * a.head_size, a.size);
  check_linear(l.out, "out", a.size, a.heads * a.head_size);
  check_linear(l.up, "up", a.gated ? 2 * a.mlp_size : a.mlp_size, a.size);
  check_linear(l.down, "down", a.size, a.mlp_size);
  require(l.attention_norm.weight && l.mlp_norm.weight, kName, "expected norms before attention and MLP");
  require(!a.parallel || (!l.attention_post_norm.weight && !l.mlp_post_norm.weight), kName,
          "expected no norms after the parts of a parallel block");
  require(l.k_BGCE && l.v_BGCE, kName, "expected keys and values but they are null");
  require(!l.smear_G || l.last_k_BGE, kName, "expected last_k_BGE beside smear_G");
}

void check(const LatentLoopArgs& a, bool on_host) {
  require(a.rows >= 0 && a.steps >= 0, kName, "expected at least 0 rows and steps but got ", a.rows, " and ", a.steps);
  require(a.layers >= 1 && a.size >= 1 && a.heads >= 1 && a.kv_heads >= 1 && a.heads % a.kv_heads == 0 &&
              a.head_size >= 1 && a.mlp_size >= 1,
          kName, "expected positive sizes with kv_heads dividing heads but got ", a.layers, " layers of ", a.size,
          ", heads ", a.heads, " over ", a.kv_heads, " of ", a.head_size, ", MLP ", a.mlp_size);
  require(std::isfinite(a.eps) && a.eps >= 0, kName, "expected a finite eps >= 0 but got ", a.eps);
  require(a.rotary_size >= 0 && a.rotary_size % 2 == 0 && a.rotary_size <= a.head_size, kName,
          "expected an even rotary_size of 0 to ", a.head_size, " but got ", a.rotary_size);
  require(a.rotary_size == 0 || (a.cos_PE && a.sin_PE), kName, "expected cos_PE and sin_PE for rotary positions");
  if (a.rows == 0 || a.steps == 0) return;
  const char* missing = !a.block               ? "block"
                        : !a.final_norm.weight ? "final_norm"
                        : !a.stored_B          ? "stored_B"
                        : !a.x_BD              ? "x_BD"
                        : !a.hidden_BD         ? "hidden_BD"
                                               : nullptr;
  require(!missing, kName, "expected block, final_norm, stored_B, x_BD and hidden_BD but ", missing ? missing : "",
          " is null");
  for (int64_t l = 0; l < a.layers; ++l) check_layer(a, a.block[l]);
  if (a.halt.weight_OI) check_linear(a.halt, "halt", 1, a.size);
  for (int64_t b = 0; on_host && b < a.rows; ++b) {
    if (a.active_B && a.active_B[b] == 0) continue;
    require(a.stored_B[b] >= 0 && a.stored_B[b] + a.steps <= a.columns, kName, "expected 0 to ", a.columns - a.steps,
            " tokens stored in row ", b, " (", a.columns, " columns, ", a.steps, " steps) but got ", a.stored_B[b]);
  }
}

}  // namespace

void latent_loop(const LatentLoopArgs& args, const Place& place) {
  check(args, place.device == DeviceKind::cpu);
  if (args.rows == 0 || args.steps == 0) return;
  switch (place.device) {
    case DeviceKind::cpu: return latent_loop_cpu(args);
    case DeviceKind::cuda: return latent_loop_cuda(args, place.stream);
  }
}

}  // namespace tacit
