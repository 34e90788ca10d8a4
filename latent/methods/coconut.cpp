#include "latent/methods/coconut.h"

#include "latent/methods/methods.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// `pause` replaces the thoughts by pause tokens and keeps everything else.
TrainingRow pause_row(const Example& example, const ObjectiveContext& context) {
  TrainingRow row = curriculum_row(example, context, /*positions=*/0);
  std::vector<int64_t> pauses;
  const auto token = marker_ids(context.settings.markers.pause, context);
  for (int64_t k = 0; k < context.stage; ++k) pauses.insert(pauses.end(), token.begin(), token.end());
  row.rest.insert(row.rest.begin(), pauses.begin(), pauses.end());
  row.rest_trained.insert(row.rest_trained.begin(), pauses.size(), false);
  return row;
}

Procedure budgeted(const MethodContext& context, int64_t positions) {
  Procedure out = plain_procedure(context);
  out.think.max_steps = context.latents * positions;
  out.think.halt = halt::fixed(context.latents * positions);
  return out;
}

}  // namespace

void append_written(TrainingRow& row, const Example& example, const ObjectiveContext& context, size_t begin) {
  std::string words;
  for (size_t k = begin; k < example.steps.size(); ++k) words += (words.empty() ? "" : " ") + example.steps[k];
  if (!words.empty()) {
    append(row, marker_ids(context.settings.markers.think, context), false);
    append(row, words, true, context);
  }
  append_answer(row, example, context, !words.empty());
}

// [Coconut, arXiv:2412.06769, section 3 and figure 2]. Every row gets its stage's thoughts, also one with fewer steps,
// as in the original's pad_latent_to_max; with the last stage all written steps go, however many there were.
TrainingRow curriculum_row(const Example& example, const ObjectiveContext& context, int64_t positions) {
  TrainingRow row{.prompt = context.tokenizer.encode(example.question), .latents = context.stage * positions};
  const bool last = context.stage == context.latents;
  append_written(row, example, context, last ? example.steps.size() : static_cast<size_t>(context.stage));
  return row;
}

int64_t positions_a_step(const Json& options) {
  return options.value("per_step", int64_t{1}) * read_head(options).vectors;
}

void refuse_recompute(const LossContext& context) {
  require(!context.options.recompute, "latent_loss", "expected no recompute for method '",
          context.context.settings.method, "' with these options: its loss has one path");
}

LossOfThoughts coconut_loss(const LossContext& context) {
  refuse_recompute(context);
  const ThoughtHead head = read_head(context.context.settings.options);
  check_rows(context.model, context.rows);
  Unroll unroll(context.model, prompts_of(context.rows), needs_layers(head));
  const at::Tensor thoughts_BND = think_on(unroll, context.rows[0].latents / head.vectors, head, context.weights);
  return {latent_loss_of(token_loss(context.model, unroll.feed_rest(context.rows), context.rows), context.rows),
          thoughts_BND};
}

Procedure headed_procedure(const MethodContext& context) {
  const ThoughtHead head = read_head(context.settings.options);
  Procedure out = budgeted(context, positions_a_step(context.settings.options));
  const bool bare = head.projector == Projector::none && head.width == 0;
  if (bare) {
    out.think.feedback =
        head.reads_layers() ? feedback::layer(head.layer, head.hidden_at) : feedback::hidden(head.hidden_at);
  } else {
    out.think.feedback = feedback::projected(head, context.weights);
  }
  return out;
}

Json coconut_options() {
  Json out = head_options();
  out["per_step"] = 1;
  return out;
}

void check_coconut_options(const Json& options, const std::string& source) {
  read_head(options, source);
  const JsonReader in(options, "read_config", source);
  if (in.has("per_step")) in.integer_in("per_step", 1, 1024);
}

Method coconut_method() {
  Method m;
  m.name = "coconut";
  m.summary = "feeds its last hidden state back; trained by replacing written steps one stage at a time";
  m.reference = "arXiv:2412.06769";
  m.counts_thoughts = true;
  m.options = coconut_options();
  m.check_options = check_coconut_options;
  m.procedure = headed_procedure;
  m.weights = [](const ModelConfig& config, const ObjectiveContext& context, uint64_t seed) {
    return head_weights(read_head(context.settings.options), config.hidden_size, seed);
  };
  m.loss = LossByOptions{.of_rows = [](const Json& options) { return read_head(options).is_hidden_state(); },
                         .otherwise = [](const LossContext& c) { return coconut_loss(c).loss; }};
  m.row = [](const Example& e, const ObjectiveContext& c) {
    return curriculum_row(e, c, positions_a_step(c.settings.options));
  };
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
    Procedure out = budgeted(context, 1);
    const auto token = marker_ids(context.settings.markers.pause, context);
    require(!token.empty(), "pause",
            "expected a checkpoint with a pause token (config.json 'tacit.markers.pause') and its tokenizer");
    out.think.feedback = feedback::token(token[0]);
    return out;
  };
  m.row = pause_row;
  m.stages = [](int64_t latents) { return latents + 1; };
  return m;
}

}  // namespace tacit
