#include "latent/methods/distillation.h"
#include "latent/methods/methods.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {
namespace {

ParallelThinkOptions jacobi_thoughts(const MethodSettings& settings, int64_t latents, const MethodWeights& weights) {
  return {.name = "jacobi",
          .positions = latents,
          .iterations = settings.options.at("iterations").get<int64_t>(),
          .inputs = parallel::projected_jacobi(own_weight(weights, "start"), read_head(settings.options), weights)};
}

void check_pccot_options(const Json& options, const std::string& source) {
  check_distillation_options(options, source);
  read_head(options, source);
  JsonReader(options, "read_config", source).integer_in("iterations", 1, 1 << 16);
}

// The vector that the first iteration starts from.
at::Tensor fresh_start(int64_t hidden_size, uint64_t seed) {
  constexpr uint32_t start_stream = 0x70636f74;  // "pcot"
  Rng rng(seed, 0, start_stream);
  at::Tensor out_D = at::empty({hidden_size});
  for (int64_t d = 0; d < hidden_size; ++d) out_D[d] = 0.02 * rng.normal();  // as an embedding's
  return out_D;
}

}  // namespace

// All thoughts at once, a few times over, distilled as CODI's are [PCCoT, arXiv:2506.18582].
Method pccot_method() {
  Method m;
  m.name = "pccot";
  m.summary = "iterates all its thoughts in parallel; distilled from its own written chain";
  m.reference = "arXiv:2506.18582";
  m.counts_thoughts = true;
  m.options = {{"projector", "mlp"}, {"width", 0}, {"iterations", 3}};
  m.options.update(distillation_options());
  m.check_options = check_pccot_options;
  m.weights = [](const ModelConfig& config, const ObjectiveContext& context, uint64_t seed) {
    MethodWeights out = head_weights(read_head(context.settings.options), config.hidden_size, seed);
    out["start"] = fresh_start(config.hidden_size, seed);
    return out;
  };
  m.procedure = [](const MethodContext& context) {
    Procedure out = plain_procedure(context);
    out.parallel = jacobi_thoughts(context.settings, context.latents, context.weights);
    return out;
  };
  m.row = [](const Example& e, const ObjectiveContext& c) { return student_row(e, c, c.latents); };
  m.loss = [](const LossContext& c) {
    return distilled_loss(
               c,
               [&](Unroll& student) {
                 if (c.context.latents == 0) return at::Tensor();
                 return student.feed_in_parallel(jacobi_thoughts(c.context.settings, c.context.latents, c.weights));
               })
        .loss;
  };
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
