#pragma once

#include <functional>

#include "latent/methods/coconut.h"
#include "latent/unroll.h"

// Self-distillation of a written chain of thought into thoughts [CODI, arXiv:2502.21074]: one model is teacher, on the
// chain, and student, on its thoughts. Both answer; where the answer is about to begin the student's hidden states are
// drawn towards the teacher's.
namespace tacit {

// By block, the hidden state before the answer's first token [B, D]; of the last block after the final norm, as HF
// counts hidden states.
using AnswerStates = std::vector<at::Tensor>;

// Mean over blocks of SmoothL1(student, teacher) / std(teacher), the deviation over all rows and dimensions; nothing
// flows into the teacher.
at::Tensor distillation_loss(const AnswerStates& student, const AnswerStates& teacher);

// alpha CE(teacher's chain and answer) + beta CE(student's answer) + gamma distillation, weights from the options.
// `think` takes the student's thoughts, on an unroll that keeps layers, and gives what it fed.
LossOfThoughts distilled_loss(const LossContext& context, const std::function<at::Tensor(Unroll&)>& think);

// The student's row: `positions` of thoughts, then the answer.
TrainingRow student_row(const Example& example, const ObjectiveContext& context, int64_t positions);
// The teacher's: the whole chain in words.
TrainingRow teacher_row(const Example& example, const ObjectiveContext& context);

Json distillation_options();
void check_distillation_options(const Json& options, const std::string& source);

}  // namespace tacit
