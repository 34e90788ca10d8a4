#include "latent/methods/distillation.h"

#include <cmath>

#include "latent/methods/methods.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// The rest is fed; hidden states before each of its tokens, and before the answer's first.
struct Answering {
  at::Tensor before_BTD;
  AnswerStates states;
};

Answering answer(Unroll& unroll, const std::vector<TrainingRow>& rows, const std::vector<int64_t>& answer_at) {
  std::vector<at::Tensor> layers_BTD;
  for (const at::Tensor& x_BTD : unroll.layers()) layers_BTD.push_back(x_BTD.narrow(1, x_BTD.size(1) - 1, 1));
  Answering out{unroll.feed_rest(rows), {}};
  if (out.before_BTD.size(1) > 1) {
    for (size_t l = 0; l < layers_BTD.size(); ++l) layers_BTD[l] = at::cat({layers_BTD[l], unroll.layers()[l]}, 1);
  }
  layers_BTD.back() = out.before_BTD;
  const at::Tensor at_B = at::tensor(answer_at, at::kLong).to(out.before_BTD.device());
  const at::Tensor row_B = at::arange(at_B.size(0), at_B.options());
  for (const at::Tensor& x_BTD : layers_BTD) out.states.push_back(x_BTD.index({row_B, at_B}));
  return out;
}

// Place in the row's rest of the answer's first token.
int64_t answer_begin(const TrainingRow& row, const Example& example, const ObjectiveContext& context) {
  const int64_t behind = std::ssize(context.tokenizer.encode(example.answer)) +
                         std::ssize(marker_ids(context.settings.markers.end, context));
  require(behind > 0, "distillation", "expected an answer of at least one token");
  return std::ssize(row.rest) - behind;
}

}  // namespace

at::Tensor distillation_loss(const AnswerStates& student, const AnswerStates& teacher) {
  require(student.size() == teacher.size() && !student.empty(), "distillation",
          "expected states of as many blocks but ", "got ", student.size(), " and ", teacher.size());
  at::Tensor sum = at::zeros({}, at::TensorOptions().dtype(at::kFloat).device(student[0].device()));
  for (size_t l = 0; l < student.size(); ++l) {
    const at::Tensor target_BD = teacher[l].detach().to(at::kFloat);
    sum = sum + at::smooth_l1_loss(student[l].to(at::kFloat), target_BD) / target_BD.std();
  }
  return sum / static_cast<double>(student.size());
}

LossOfThoughts distilled_loss(const LossContext& context, const std::function<at::Tensor(Unroll&)>& think) {
  refuse_recompute(context);
  const Json& options = context.context.settings.options;
  std::vector<TrainingRow> teacher_rows;
  std::vector<int64_t> teacher_at, student_at;
  for (size_t b = 0; b < context.rows.size(); ++b) {
    const Example& example = context.examples[b];
    teacher_rows.push_back(teacher_row(example, context.context));
    teacher_at.push_back(answer_begin(teacher_rows[b], example, context.context));
    student_at.push_back(answer_begin(context.rows[b], example, context.context));
  }
  check_rows(context.model, context.rows);
  check_rows(context.model, teacher_rows);
  Unroll teacher(context.model, prompts_of(teacher_rows), /*keep_layers=*/true);
  const Answering written = answer(teacher, teacher_rows, teacher_at);
  Unroll student(context.model, prompts_of(context.rows), /*keep_layers=*/true);
  LossOfThoughts out{.thoughts_BND = think(student)};
  const Answering thought = answer(student, context.rows, student_at);
  const TokenLoss words = token_loss(context.model, written.before_BTD, teacher_rows);
  const at::Tensor distance = distillation_loss(thought.states, written.states);
  out.loss = latent_loss_of(token_loss(context.model, thought.before_BTD, context.rows), context.rows);
  out.loss.total = options.at("alpha").get<double>() * words.loss + options.at("beta").get<double>() * out.loss.total +
                   options.at("gamma").get<double>() * distance;
  for (const TrainingRow& row : teacher_rows) out.loss.positions += std::ssize(row.prompt) + std::ssize(row.rest);
  out.loss.figures = {{"teacher_loss", words.loss.item<double>()}, {"distillation", distance.item<double>()}};
  return out;
}

TrainingRow student_row(const Example& example, const ObjectiveContext& context, int64_t positions) {
  TrainingRow row{.prompt = context.tokenizer.encode(example.question), .latents = positions};
  append_answer(row, example, context, false);
  return row;
}

TrainingRow teacher_row(const Example& example, const ObjectiveContext& context) {
  TrainingRow row{.prompt = context.tokenizer.encode(example.question)};
  append_written(row, example, context, 0);
  return row;
}

Json distillation_options() { return {{"alpha", 1.0}, {"beta", 1.0}, {"gamma", 1.0}}; }

void check_distillation_options(const Json& options, const std::string& source) {
  const JsonReader in(options, "read_config", source);
  for (const char* name : {"alpha", "beta", "gamma"}) {
    const double weight = in.number(name);
    if (!(weight >= 0) || !std::isfinite(weight)) in.reject(name, "to be at least 0");
  }
}

}  // namespace tacit
