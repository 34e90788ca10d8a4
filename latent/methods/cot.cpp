#include "latent/methods/methods.h"

namespace tacit {

StopTokens chain_ends(const MethodContext& context) {
  std::vector<int64_t> ends = marker_ids(context.settings.markers.answer, context);
  // Without a marker nothing would stand between such an end and the answer, which would be the end again.
  if (!ends.empty() && context.settings.markers.end.empty()) append_to(ends, context.settings.end_tokens);
  return ends;
}

Procedure words_procedure(const MethodContext& context) {
  Procedure out = plain_procedure(context);
  out.in_words = true;
  out.prompt_suffix = marker_ids(context.settings.markers.think, context);
  out.think.feedback = feedback::embed_argmax();
  out.think.max_steps = context.settings.max_words;
  if (StopTokens ends = chain_ends(context); !ends.empty()) out.think.halt = halt::delimiter(std::move(ends));
  return out;
}

namespace {

TrainingRow words_row(const Example& example, const std::string& words, const ObjectiveContext& context) {
  TrainingRow row{.prompt = context.tokenizer.encode(example.question)};
  const auto think = marker_ids(context.settings.markers.think, context);
  row.prompt.insert(row.prompt.end(), think.begin(), think.end());
  append(row, words, true, context);
  append_answer(row, example, context, true);
  return row;
}

}  // namespace

// Token chain of thought: the reference steps written out, here the nodes of one shortest path [CoT, arXiv:2201.11903].
Method cot_method() {
  Method m;
  m.name = "cot";
  m.summary = "writes one chain of thought in tokens";
  m.reference = "arXiv:2201.11903";
  m.procedure = words_procedure;
  m.row = [](const Example& example, const ObjectiveContext& context) {
    return words_row(example, chain_text(example), context);
  };
  m.stages = [](int64_t) { return 1; };
  return m;
}

// Token chain of thought that holds what a frontier thought holds: every level of the search written out, nodes in
// ascending label order, levels ended by ';', down to the level of the target. The matched control of `frontier`.
Method cot_frontier_method() {
  Method m;
  m.name = "cot-frontier";
  m.summary = "writes the whole search frontier, level by level, in tokens";
  m.reference = "control";
  m.procedure = words_procedure;
  m.row = [](const Example& example, const ObjectiveContext& context) {
    std::string words;
    const auto& levels = example.meta.at("frontiers");
    const auto depth = example.meta.at("depth").get<size_t>();
    for (size_t k = 0; k < levels.size() && k < depth; ++k) {
      for (const auto& label : levels[k]) words += label.get<std::string>() + " ";
      words += k + 1 < depth ? "; " : ";";
    }
    return words_row(example, words, context);
  };
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
