#include "latent/methods/distillation.h"
#include "latent/methods/methods.h"

namespace tacit {

// Thoughts through a projector, taught by the model's own written chain [CODI, arXiv:2502.21074]. No curriculum.
Method codi_method() {
  Method m;
  m.name = "codi";
  m.summary = "feeds its projected hidden state back; distilled from its own written chain";
  m.reference = "arXiv:2502.21074";
  m.counts_thoughts = true;
  m.options = head_options("mlp");
  m.options.update(distillation_options());
  m.check_options = [](const Json& options, const std::string& source) {
    read_head(options, source);
    check_distillation_options(options, source);
  };
  m.weights = [](const ModelConfig& config, const ObjectiveContext& context, uint64_t seed) {
    return head_weights(read_head(context.settings.options), config.hidden_size, seed);
  };
  m.procedure = headed_procedure;
  m.row = [](const Example& e, const ObjectiveContext& c) {
    return student_row(e, c, c.latents * read_head(c.settings.options).vectors);
  };
  m.loss = [](const LossContext& c) {
    const ThoughtHead head = read_head(c.context.settings.options);
    return distilled_loss(c, [&](Unroll& student) { return think_on(student, c.context.latents, head, c.weights); })
        .loss;
  };
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
