#include "eval/probe/thinkers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "eval/prompts.h"
#include "eval/rescore.h"
#include "latent/halt_rule.h"
#include "latent/objective.h"
#include "latent/thinking.h"
#include "lib/core/error.h"
#include "lib/model/checkpoint.h"
#include "lib/model/int8_model.h"
#include "lib/model/memory_layout.h"
#include "lib/model/slots.h"

namespace tacit::probe {
namespace {

at::Tensor host(const at::Tensor& x) { return x.detach().to(at::kCPU, at::kFloat).contiguous(); }

using Sink = std::function<void(int64_t id, int64_t k, const at::Tensor& thought_D)>;

// The same feedback; what it proposes, or the state that it proposes it from, is told to `sink`.
Feedback told(const Feedback& base, bool hidden, std::shared_ptr<Sink> sink) {
  Feedback out;
  out.name = base.name;
  out.reads_layers = base.reads_layers;
  out.next = [base, hidden, sink](const StepState& state) {
    NextInput next = proposed(base, state);
    const at::Tensor shown_BD = host(hidden ? state.hidden_BD() : next.input_BD);
    for (int64_t b = 0; b < state.rows(); ++b) (*sink)(state.id(b), state.notes(b).thoughts, shown_BD[b].clone());
    return next;
  };
  return out;
}

std::vector<int64_t> batch_ids(int64_t begin, int64_t end) {
  std::vector<int64_t> ids(end - begin);
  std::iota(ids.begin(), ids.end(), begin);
  return ids;
}

// The answer of row `row` as text, scored as an evaluation does; a written chain stands before it.
void score_answer(Seen& seen, int64_t i, const ProbeSet& set, const Solution& solution, int64_t row) {
  Sample sample;
  sample.thoughts = valid_utf8(set.tokenizer->decode(solution.thoughts.tokens[row]));
  sample.text = valid_utf8(set.tokenizer->decode(solution.answers[row].tokens));
  score(sample, set.examples[i], *set.task);
  seen.answers[i] = sample.answer;
  seen.correct[i] = sample.correct ? 1 : 0;
}

const Task& task_of(const LoadedModel& model, const RunOptions& options) {
  return task(options.task.empty() ? model.settings.task : options.task);
}

// What the method would begin its training with, beside the fresh model; empty where the checkpoint has none.
MethodWeights fresh_method_weights(const LoadedModel& model, const RunOptions& options, const Transformer& fresh) {
  const Method& how = method(options.method, model.settings);
  if (!how.weights || model.method_weights.empty()) return {};
  MethodSettings settings = model.settings;
  settings.options = procedure_of(model, options).options;
  const int64_t latents = options.latents < 0 ? settings.latents : options.latents;
  const ObjectiveContext context{settings, *model.tokenizer, latents, 0, 0, &fresh};
  MethodWeights out = how.weights(model.model->config(), context, options.seed + 1);
  for (auto& [name, weight] : out) weight = weight.to(model.model->device());
  return out;
}

}  // namespace

Procedure procedure_of(const LoadedModel& model, const RunOptions& options) {
  return bind_method(model, options.method, options.latents, options.options);
}

TokenRows probe_prompts(const LoadedModel& model, const RunOptions& options, const std::vector<Example>& examples) {
  std::optional<ChatTemplate> chat;
  if (options.task_options.chat) chat = load_chat_template(model.directory);
  TokenRows out;
  for (const std::string& text :
       render_prompts(task_of(model, options), examples, options.task_options, chat ? &*chat : nullptr))
    out.push_back(model.tokenizer->encode(text));
  return out;
}

ProbeSet probe_set(const LoadedModel& model, const RunOptions& options) {
  const Problems checked(model, options);
  ProbeSet out;
  out.task = &task_of(model, options);
  require(out.task->scorers.front().score_choices == nullptr, "probe",
          "expected a task whose answers are written but those of '", out.task->name, "' are chosen by likelihood");
  out.tokenizer = model.tokenizer;
  out.batch = std::max<int64_t>(options.batch, 1);
  out.solve.recurrences = options.recurrences;
  for (int64_t i = 0; i < checked.size(); ++i) out.examples.push_back(checked.example(i));
  out.prompts = probe_prompts(model, options, out.examples);
  out.solve.max_answer_tokens = answer_tokens(*out.task, out.examples, options.task_options);
  return out;
}

Thinker own_thinker(const LoadedModel& model, const RunOptions& options) {
  Thinker out{"thoughts", "the checkpoint as it thinks", model.model, procedure_of(model, options)};
  out.shows_hidden = out.procedure.in_words;
  if (out.procedure.in_words) {
    out.name = "words";
    out.what = "the checkpoint's written chain; looked at is the state that each word came from";
  }
  return out;
}

std::optional<Thinker> control_thinker(const LoadedModel& model, const RunOptions& options, Control control) {
  Thinker out = own_thinker(model, options);
  if (out.procedure.max_thoughts() == 0 && control != Control::random_weights) return {};
  switch (control) {
    case Control::noise:
      if (out.procedure.parallel) return {};
      out.name = "noise";
      out.intervention = Intervention{.kind = InterventionKind::noise, .seed = options.seed};
      out.what = "noise as long as each thought is fed in its place; looked at is what the model proposes after it";
      break;
    case Control::pause: {
      const std::string& pause = model.settings.markers.pause;
      if (pause.empty() || out.procedure.parallel || out.procedure.in_words || !model.tokenizer) return {};
      out.procedure.think.feedback = feedback::token(model.tokenizer->require_id(pause, "probe"));
      out.shows_hidden = true;
      out.name = "pause";
      out.what = "the pause token is fed in place of each thought; looked at is the state before it";
      break;
    }
    case Control::random_weights: {
      const std::shared_ptr<const Transformer> fresh = make_model(model.model->config(), options.seed + 1);
      std::map<std::string, at::Tensor> weights;
      for (const auto& [name, weight] : fresh->weights())
        weights[name] = weight.to(model.model->device(), slots::kept_in_fp32(name) ? at::kFloat : model.model->dtype());
      out.model = std::make_shared<const Transformer>(model.model->config(), std::move(weights));
      if (model.model->weight_format() == WeightFormat::int8) out.model = int8_model(*out.model);
      if (const MethodWeights own = fresh_method_weights(model, options, *out.model); !own.empty()) {
        LoadedModel untrained = model;
        untrained.method_weights = own;
        out.procedure = procedure_of(untrained, options);
        // A halting head that was never trained would stop before the first thought.
        if (own.contains(kHaltingWeight)) out.procedure.think.halt = halt::never();
      }
      out.name = "random weights";
      out.what = "a model of the same config that was never trained, nor were the method's own weights";
      break;
    }
    case Control::none:
      out.intervention = Intervention{.kind = InterventionKind::truncate, .at = 0};
      out.name = "no thoughts";
      out.what = "the same model, answering right after the question";
      break;
  }
  return out;
}

std::vector<Thinker> thinkers(const LoadedModel& model, const RunOptions& options,
                              const std::vector<Control>& controls) {
  std::vector<Thinker> out = {own_thinker(model, options)};
  for (const Control control : controls) {
    if (auto thinker = control_thinker(model, options, control)) out.push_back(std::move(*thinker));
  }
  return out;
}

Seen think_all(const Thinker& thinker, const ProbeSet& set) {
  Seen seen;
  std::vector<std::vector<at::Tensor>> told_of(set.size());
  const auto sink = std::make_shared<Sink>([&](int64_t id, int64_t k, const at::Tensor& thought_D) {
    if (k >= std::ssize(told_of[id])) told_of[id].resize(k + 1);
    told_of[id][k] = thought_D;
  });
  Procedure procedure = thinker.procedure;
  if (!procedure.parallel) procedure.think.feedback = told(procedure.think.feedback, thinker.shows_hidden, sink);
  // Around what is told, so that the proposals are seen and not what takes their place.
  if (thinker.intervention) procedure = intervene(procedure, *thinker.intervention);
  seen.thoughts_KD.resize(set.size());
  seen.answers.resize(set.size());
  seen.correct.resize(set.size());
  const int64_t width = thinker.model->config().hidden_size;
  for (int64_t begin = 0; begin < set.size(); begin += set.batch) {
    const int64_t end = std::min(begin + set.batch, set.size());
    SolveOptions options = set.solve;
    options.ids = batch_ids(begin, end);
    options.keep_trace = procedure.parallel.has_value();
    const TokenRows prompts(set.prompts.begin() + begin, set.prompts.begin() + end);
    const Solution solution = solve(thinker.model, procedure, prompts, options);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t steps = solution.thoughts.steps[i - begin];
      if (procedure.parallel) {
        seen.thoughts_KD[i] = host(solution.thoughts.trace_BKD[i - begin].narrow(0, 0, steps));
      } else {
        std::vector<at::Tensor> rows = told_of[i];
        rows.resize(steps);
        seen.thoughts_KD[i] = rows.empty() ? at::zeros({0, width}) : at::stack(rows);
      }
      score_answer(seen, i, set, solution, i - begin);
    }
  }
  return seen;
}

int64_t most_thoughts(const Seen& seen) {
  int64_t most = 0;
  for (const at::Tensor& thoughts_KD : seen.thoughts_KD) most = std::max(most, thoughts_KD.size(0));
  return most;
}

at::Tensor thoughts_at(const Seen& seen, int64_t k, std::vector<int64_t>& which) {
  which.clear();
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < std::ssize(seen.thoughts_KD); ++i) {
    if (seen.thoughts_KD[i].size(0) <= k) continue;
    which.push_back(i);
    rows.push_back(seen.thoughts_KD[i][k]);
  }
  return rows.empty() ? at::zeros({0, 0}) : at::stack(rows);
}

std::vector<at::Tensor> layers_before_answer(const Thinker& thinker, const ProbeSet& set) {
  const ModelConfig& config = thinker.model->config();
  require(!config.bidirectional, "probe", "expected a model that reads from left to right but got ", config.family);
  const Procedure procedure =
      thinker.intervention ? intervene(thinker.procedure, *thinker.intervention) : thinker.procedure;
  std::vector<std::vector<at::Tensor>> parts;
  for (int64_t begin = 0; begin < set.size(); begin += set.batch) {
    const int64_t end = std::min(begin + set.batch, set.size());
    const TokenRows prompts(set.prompts.begin() + begin, set.prompts.begin() + end);
    const int64_t capacity = capacity_needed(*thinker.model, procedure, prompts, set.solve);
    SessionOptions options = session_options(procedure, set.solve, end - begin, capacity);
    options.keep_layers = true;
    Session session(thinker.model, options);
    const std::vector<int64_t> ids = batch_ids(begin, end), rows = batch_ids(0, end - begin);
    session.name_rows(ids);
    session.prefill(with_suffix(procedure, prompts));
    think_of(session, procedure, /*keep_trace=*/false);
    if (!procedure.answer_marker.empty()) session.feed(procedure.answer_marker);
    const StepState state = session.state(rows, 0);
    const auto layers = std::ssize(memory_layout(config, set.solve.recurrences, procedure.exit));
    parts.resize(layers + 1);
    for (int64_t l = 0; l < layers; ++l) parts[l].push_back(host(state.layer_BD(l)));
    parts[layers].push_back(host(state.hidden_BD()));
  }
  std::vector<at::Tensor> out;
  for (const auto& part : parts) out.push_back(at::cat(part));
  return out;
}

}  // namespace tacit::probe
