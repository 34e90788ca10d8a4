#include "latent/methods/methods.h"

namespace tacit {

// Pretraining on random walks: the example's question is the list of edges, its steps are the words of a walk, and
// meta.targets says which of them can be predicted. Dense targets form the in-context lookup that every other method
// starts from. Answers nothing.
Method walk_method() {
  Method m;
  m.name = "walk";
  m.summary = "pretraining on random walks over the graph's edges; answers no questions";
  m.reference = "this project";
  m.row = [](const Example& example, const ObjectiveContext& context) {
    TrainingRow row{.prompt = context.tokenizer.encode(example.question)};
    const auto& targets = example.meta.at("targets");
    for (size_t i = 0; i < example.steps.size(); ++i) append(row, example.steps[i], targets[i].get<bool>(), context);
    return row;
  };
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
