#include "latent/methods/methods.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// Stage k of the curriculum: the first k reference steps give way to k thoughts, the loss is on what remains
// [Coconut, arXiv:2412.06769, section 3 and figure 2]. Every row gets k thoughts, also one with fewer steps, as in the
// original's pad_latent_to_max; with the last thought all written steps go, however many there were. `pause` replaces
// the thoughts by pause tokens and keeps everything else.
TrainingRow curriculum_row(const Example& example, const ObjectiveContext& context, bool pause) {
  TrainingRow row{.prompt = context.tokenizer.encode(example.question)};
  const int64_t replaced = context.stage;
  if (pause) {
    const auto token = marker_ids(context.settings.markers.pause, context);
    for (int64_t k = 0; k < replaced; ++k) append(row, token, false);
  } else {
    row.latents = replaced;
  }
  std::string words;
  const size_t begin = replaced == context.latents ? example.steps.size() : static_cast<size_t>(replaced);
  for (size_t k = begin; k < example.steps.size(); ++k) words += (words.empty() ? "" : " ") + example.steps[k];
  if (!words.empty()) {
    append(row, marker_ids(context.settings.markers.think, context), false);
    append(row, words, true, context);
  }
  append_answer(row, example, context, !words.empty());
  return row;
}

Procedure budgeted(const MethodContext& context) {
  Procedure out = plain_procedure(context);
  out.think.max_steps = context.latents;
  out.think.halt = halt::fixed(context.latents);
  return out;
}

}  // namespace

Method coconut_method() {
  Method m;
  m.name = "coconut";
  m.summary = "feeds its last hidden state back; trained by replacing written steps one stage at a time";
  m.reference = "arXiv:2412.06769";
  m.counts_thoughts = true;
  m.procedure = budgeted;
  m.row = [](const Example& e, const ObjectiveContext& c) { return curriculum_row(e, c, false); };
  m.stages = [](int64_t latents) { return latents + 1; };
  return m;
}

Method pause_method() {
  Method m;
  m.name = "pause";
  m.summary = "as many pause tokens as coconut has thoughts, the same curriculum";
  m.reference = "arXiv:2310.02226";
  m.counts_thoughts = true;
  m.procedure = [](const MethodContext& context) {
    Procedure out = budgeted(context);
    const auto token = marker_ids(context.settings.markers.pause, context);
    require(!token.empty(), "pause",
            "expected a checkpoint with a pause token (config.json 'tacit.markers.pause') and its tokenizer");
    out.think.feedback = feedback::token(token[0]);
    return out;
  };
  m.row = [](const Example& e, const ObjectiveContext& c) { return curriculum_row(e, c, true); };
  m.stages = [](int64_t latents) { return latents + 1; };
  return m;
}

}  // namespace tacit
