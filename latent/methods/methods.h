#pragma once

#include <vector>

#include "latent/method.h"

namespace tacit {

// One function a method file.
Method direct_method();
Method cot_method();
Method cot_frontier_method();
Method coconut_method();
Method pause_method();
Method frontier_method();
Method walk_method();
Method halting_method();
Method universal_method();
Method huginn_method();
Method ouro_method();
Method trm_method();
Method codi_method();
Method sim_cot_method();
Method pccot_method();
Method lotus_method();
Method soft_thinking_method();
Method swi_method();
Method hrpo_method();
Method colar_method();
Method icot_method();

std::vector<Method> built_in_methods();

// Shared by the method files.

// The ids of a marker: none when the checkpoint has no such marker or no tokenizer is at hand.
std::vector<int64_t> marker_ids(const std::string& marker, const MethodContext& context);
std::vector<int64_t> marker_ids(const std::string& marker, const ObjectiveContext& context);

// A procedure that ends with the checkpoint's answer marker and stop token; thinking is left to the caller.
Procedure plain_procedure(const MethodContext& context);

// The row of `direct`: question, [A] answer [E].
TrainingRow direct_row(const Example& example, const ObjectiveContext& context);

// Shared by the methods that think in depth: the plain procedure with the exit that option "exit_kl" asks for; the
// recurrences to train at, option "mean_recurrences", else the model's own; the substream of what is drawn for a batch.
Procedure depth_procedure(const MethodContext& context);
double mean_recurrences(const Transformer& model, const Json& options);
inline constexpr uint32_t kDepthSubstream = 41;
// The answer's loss after those recurrences, or with `random`, in training, after as many as are drawn around them;
// gradient in the last "backprop".
LatentLoss recurrent_answer_loss(const LossContext& context, bool random);
// What the checkpoint says of its recurrences: option "mean_recurrences", rounded, else `otherwise`.
int64_t answering_recurrences(const Json& options, int64_t otherwise);

double number_option(const Json& options, const char* name);
// Refuses an option below `least`.
void at_least(const Json& options, const char* name, double least, const std::string& source);

// A procedure that writes its chain of thought greedily, until the answer marker is the likeliest token.
Procedure words_procedure(const MethodContext& context);
// What ends a written chain: the answer marker, and beside it the end of the text where the checkpoint has no
// marker for that. None without an answer marker.
StopTokens chain_ends(const MethodContext& context);

// An example's reference chain of thought.
std::string chain_text(const Example& example);

void append_to(std::vector<int64_t>& tokens, const std::vector<int64_t>& more);
// Appends tokens to a row's rest.
void append(TrainingRow& row, const std::vector<int64_t>& ids, bool trained);
void append(TrainingRow& row, const std::string& text, bool trained, const ObjectiveContext& context);
// [A] answer [E]: the marker is given (or, with `marker_trained`, predicted), answer and end are trained.
void append_answer(TrainingRow& row, const Example& example, const ObjectiveContext& context, bool marker_trained);

}  // namespace tacit
