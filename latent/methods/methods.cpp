#include "latent/methods/methods.h"

#include "latent/methods/tree.h"

namespace tacit {

std::vector<Method> built_in_methods() {
  return {direct_method(),   cot_method(),     cot_frontier_method(), coconut_method(), pause_method(),
          frontier_method(), walk_method(),    icot_method(),         codi_method(),    sim_cot_method(),
          pccot_method(),    lotus_method(),   colar_method(),        hrpo_method(),    soft_thinking_method(),
          swi_method(),      halting_method(), universal_method(),    huginn_method(),  ouro_method(),
          trm_method(),      tree_method()};
}

std::vector<int64_t> marker_ids(const std::string& marker, const MethodContext& context) {
  if (marker.empty() || context.tokenizer == nullptr) return {};
  return {context.tokenizer->require_id(marker, "method")};
}

std::vector<int64_t> marker_ids(const std::string& marker, const ObjectiveContext& context) {
  return marker_ids(marker, MethodContext{context.settings, &context.tokenizer, context.latents});
}

Procedure plain_procedure(const MethodContext& context) {
  Procedure out;
  out.think.max_steps = 0;
  out.answer_marker = marker_ids(context.settings.markers.answer, context);
  out.stop_tokens = marker_ids(context.settings.markers.end, context);
  if (out.stop_tokens.empty()) out.stop_tokens = context.settings.end_tokens;
  return out;
}

std::string chain_text(const Example& example) {
  std::string out;
  for (const std::string& step : example.steps) out += (out.empty() ? "" : " ") + step;
  return out;
}

void append_to(std::vector<int64_t>& tokens, const std::vector<int64_t>& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
}

void append(TrainingRow& row, const std::vector<int64_t>& ids, bool trained) {
  row.rest.insert(row.rest.end(), ids.begin(), ids.end());
  row.rest_trained.insert(row.rest_trained.end(), ids.size(), trained);
}

void append(TrainingRow& row, const std::string& text, bool trained, const ObjectiveContext& context) {
  append(row, context.tokenizer.encode(text), trained);
}

TrainingRow direct_row(const Example& example, const ObjectiveContext& context) {
  TrainingRow row{.prompt = context.tokenizer.encode(example.question)};
  append_answer(row, example, context, false);
  return row;
}

void append_answer(TrainingRow& row, const Example& example, const ObjectiveContext& context, bool marker_trained) {
  append(row, marker_ids(context.settings.markers.answer, context), marker_trained);
  append(row, example.answer, true, context);
  append(row, marker_ids(context.settings.markers.end, context), true);
}

}  // namespace tacit
