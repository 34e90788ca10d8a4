#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eval/problems.h"
#include "eval/run.h"
#include "latent/intervention.h"

namespace tacit::probe {

// Problems of one task, tokenised for one checkpoint: the same prompts as an evaluation of the same options asks.
struct ProbeSet {
  const Task* task = nullptr;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::vector<Example> examples;
  TokenRows prompts;
  SolveOptions solve;
  int64_t batch = 32;
  int64_t size() const { return std::ssize(examples); }
};
// Refuses whatever an evaluation of these options would refuse, and tasks whose answers are chosen by likelihood: what
// is probed writes its answer.
ProbeSet probe_set(const LoadedModel& model, const RunOptions& options);
// As an evaluation renders and encodes them: template, solved examples and chat template included.
TokenRows probe_prompts(const LoadedModel& model, const RunOptions& options, const std::vector<Example>& examples);
// The procedure that these options bind, as an evaluation does.
Procedure procedure_of(const LoadedModel& model, const RunOptions& options);

// Who thinks: a checkpoint as it is, or one of the controls that a claim about its thoughts must be held against.
struct Thinker {
  std::string name;
  std::string what;  // one line
  std::shared_ptr<const Transformer> model;
  Procedure procedure;
  bool shows_hidden = false;  // looked at is the hidden state after the final norm, for what is fed is no state
  std::optional<Intervention> intervention = {};  // what is fed in place of what is looked at; no bank is made for it
};

enum class Control {
  noise,  // Gaussian noise as long as the own thought is fed in its place; looked at is what the model proposes
  pause,  // the pause token is fed instead
  random_weights,  // fresh weights of the same config, of the method's own likewise; a learned halting rule does not
                   // stop
  none,            // no thoughts: the answer right after the question
};

// The checkpoint itself, called "thoughts" ("words" where it thinks in words).
Thinker own_thinker(const LoadedModel& model, const RunOptions& options);
// Empty where the checkpoint cannot have it: no pause token, or thoughts in parallel.
std::optional<Thinker> control_thinker(const LoadedModel& model, const RunOptions& options, Control control);
// The checkpoint and those of the controls that it has.
std::vector<Thinker> thinkers(const LoadedModel& model, const RunOptions& options,
                              const std::vector<Control>& controls);

// What a thinker had before the answer, and the answer. By problem.
struct Seen {
  std::vector<at::Tensor>
      thoughts_KD;                   // fp32 on the host: what the model proposes as thought k, before any replacement
  std::vector<std::string> answers;  // as the task extracts them
  std::vector<double> correct;       // 1 or 0
};
Seen think_all(const Thinker& thinker, const ProbeSet& set);

// Thought k (from 0) of every problem that has one [N, D]; `which` tells which.
at::Tensor thoughts_at(const Seen& seen, int64_t k, std::vector<int64_t>& which);
int64_t most_thoughts(const Seen& seen);

// What every block left at the position that gives the answer's first token: the last of the answer marker, or of the
// thoughts where there is none. One tensor [N, D] a block that ran, in order, then the state after the final norm; fp32
// on the host.
std::vector<at::Tensor> layers_before_answer(const Thinker& thinker, const ProbeSet& set);

}  // namespace tacit::probe
