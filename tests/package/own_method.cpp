// A method of one's own, outside the library: each dimension of a thought is scaled by a learned factor before it is fed
// back. docs/adding-a-method.md explains it.
#include <iostream>

#include "eval/compare.h"
#include "latent/train_method.h"
#include "latent/unroll.h"

using namespace tacit;

// How it thinks: hidden state -> next input.
static Feedback scaled(const at::Tensor& scale_D) {
  return {"scaled", [scale_D](const StepState& state) { return NextInput{state.hidden_BD() * scale_D}; }};
}

static Method scaled_method() {
  Method m = method("coconut");  // its text, markers and curriculum
  m.name = "scaled";
  m.summary = "feeds its last hidden state back, each dimension scaled by a learned factor";
  m.reference = "docs/adding-a-method.md";
  m.options = {{"start", 1.0}};  // of the factors
  m.weights = [](const ModelConfig& config, const ObjectiveContext& context, uint64_t) -> MethodWeights {
    return {{"scale", at::full({config.hidden_size}, context.settings.options.at("start").get<double>())}};
  };
  m.procedure = [base = m.procedure](const MethodContext& context) {
    Procedure out = base(context);
    out.think.feedback = scaled(context.weight("scale"));
    return out;
  };
  m.loss = [](const LossContext& c) {  // the same with gradient
    Unroll unroll(c.model, prompts_of(c.rows));
    for (int64_t k = 0; k < c.rows[0].latents; ++k)
      unroll.feed((unroll.last_BD() * c.weights.at("scale")).unsqueeze(1));
    return latent_loss_of(token_loss(c.model, unroll.feed_rest(c.rows), c.rows), c.rows);
  };
  return m;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  register_method(scaled_method());
  const Json recipe = {{"method", "scaled"}, {"steps", 8}, {"batch", 4}, {"latents", 2}, {"options", {{"start", 0.9}}}};
  train_method(train_config_from_json(recipe, "own_method.cpp"), argv[1], /*resume=*/false, {});
  const LoadedModel model = open_model(argv[1]);
  RunOptions options{.task_options = task_options_of(model.settings)};
  options.task_options.count = 20;
  std::cout << terminal_table(compare({{"scaled", evaluate(model, options)}}, ""), /*width=*/100, /*colour=*/false);
}
