#include "latent/methods/methods.h"

namespace tacit {

// Frontier supervision: Coconut's thought, with a label. Thought k's vocabulary readout is drawn towards the uniform
// distribution over the nodes at distance k from the root ("level"), or within distance k ("explored", the
// superposition that the theory constructs [arXiv:2505.12514]); no curriculum. A level that the graph does not have
// trains nothing. A batch that takes fewer thoughts than the finished method (TrainConfig::least_latents) is trained to
// end without an answer where the target has not been reached.
Method frontier_method() {
  Method m;
  m.name = "frontier";
  m.summary = "feeds its last hidden state back; each thought is trained to hold a whole search frontier";
  m.reference = "arXiv:2505.12514";
  m.counts_thoughts = true;
  m.procedure = [](const MethodContext& context) {
    Procedure out = plain_procedure(context);
    out.think.max_steps = context.latents;
    out.think.halt = halt::fixed(context.latents);
    return out;
  };
  m.row = [](const Example& example, const ObjectiveContext& context) {
    TrainingRow row{.prompt = context.tokenizer.encode(example.question), .latents = context.latents};
    row.thought_targets.resize(context.latents);
    const auto& levels = example.meta.at("frontiers");
    auto id = [&](const auto& label) {
      return context.tokenizer.require_id(label.template get<std::string>(), "frontier");
    };
    std::vector<int64_t> explored = {id(example.meta.at("root"))};
    for (size_t k = 0; k < row.thought_targets.size(); ++k) {
      std::vector<int64_t> level;
      if (k < levels.size()) {
        for (const auto& label : levels[k]) level.push_back(id(label));
      }
      explored.insert(explored.end(), level.begin(), level.end());
      row.thought_targets[k] = context.settings.frontier == "explored" ? explored : level;
    }
    const bool within_reach =
        context.latents == context.settings.latents || example.meta.at("depth").get<int64_t>() <= context.latents;
    if (within_reach) {
      append_answer(row, example, context, false);
    } else {
      append(row, marker_ids(context.settings.markers.answer, context), false);
      append(row, marker_ids(context.settings.markers.end, context), true);
    }
    return row;
  };
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
