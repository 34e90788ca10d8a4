#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "latent/objective.h"
#include "latent/parallel.h"
#include "latent/session.h"
#include "latent/stop_tokens.h"
#include "lib/core/json.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {

inline constexpr int64_t kMostThoughts = 1 << 20;  // that a checkpoint or a caller may ask for

// The words a checkpoint uses around its thoughts; "" = none. Vocabulary strings.
struct Markers {
  std::string think;   // opens a written chain of thought
  std::string answer;  // asks for the answer
  std::string pause;   // the pause token
  std::string end;     // ends a text
};

// config.json's section "tacit": what the checkpoint was trained to do. Absent for a plain Hugging Face directory: then
// every field keeps its default, no marker is inserted.
struct MethodSettings {
  std::string method;      // name of the method that trained it, "" = none
  int64_t latents = 6;     // thoughts before the answer
  int64_t max_words = 64;  // upper bound on a written chain of thought, tokens
  std::string task;        // "reach", "" = none
  // Of the task's text: "symbols", "english", or "lines", a file's text laid out as Coconut does (datasets/lines.h).
  std::string style;
  int64_t labels = 32;            // label words of the symbol vocabulary
  Json options = Json::object();  // of the method, all that it has (Method::options)
  Json generator;  // options of a generated task other than reach (datasets/generated_task.h); null = none
  // What a thought of method frontier was trained to hold: "level" = nodes at distance k, "explored" = nodes within
  // distance k, root included.
  std::string frontier = "level";
  Markers markers;
  // The ids of config.json or generation_config.json that end a text, for a checkpoint without Markers::end: set by
  // open_model(), not part of the section.
  std::vector<int64_t> end_tokens = {};
};
MethodSettings read_method_settings(const Json& config, const std::string& source);
OrderedJson to_json(const MethodSettings& settings);

// A method bound to a vocabulary and a budget: everything needed to answer a prompt.
struct Procedure {
  std::string method;
  Json options = Json::object();                 // of the method, all of them
  bool in_words = false;                         // thinks in tokens that can be read
  std::vector<int64_t> prompt_suffix;            // appended to the question's tokens
  ThinkOptions think;                            // one thought after the other
  std::optional<ParallelThinkOptions> parallel;  // all at once, in place of `think`
  std::vector<int64_t> answer_marker;            // fed after thinking, may be empty
  StopTokens stop_tokens;                        // end the answer
  std::optional<int64_t> max_answer_tokens;      // where the method can give no more; empty = as many as are asked for
  DepthExit exit = {};                           // of a model that thinks in depth
  TokenMask mask = {};                           // of prompts with their suffix (SessionOptions::mask)

  int64_t max_thoughts() const { return parallel ? parallel->positions : think.max_steps; }
  // Whether the prompt is all that it takes (Session::reads_at_once).
  bool reads_at_once(const ModelConfig& config) const { return config.bidirectional || mask; }
  // "method tree", "a trm model": whom a message about that names.
  std::string reader(const ModelConfig& config) const {
    return mask ? "method " + method : "a " + config.family + " model";
  }
};

inline const MethodWeights kNoMethodWeights;

struct MethodContext {
  const MethodSettings& settings;
  const Tokenizer* tokenizer;  // null: markers are not inserted (plain Hugging Face directory scored by ids)
  int64_t latents;             // thoughts to take
  const MethodWeights& weights = kNoMethodWeights;  // of the checkpoint

  // Of settings.options, else of the method's defaults.
  const Json& option(const char* name) const;
  // Of `weights`. Both fail naming what is not there.
  const at::Tensor& weight(const std::string& name) const;
};

// A way to reason: how a checkpoint trained for it thinks, and what it is trained on. Data, not a class: a method is
// added by register_method() from any file, inside the library or outside.
struct Method {
  std::string name;            // as in docs/methods, e.g. "coconut"; neither empty nor "latent", the checkpoint's own
  std::string summary = {};    // one line
  std::string reference = {};  // paper
  std::function<Procedure(const MethodContext&)> procedure = {};
  // Refuses a model that cannot think so, such as one without recurrence where thinking is in depth; empty = any can.
  std::function<void(const ModelConfig&)> check_model;
  std::function<TrainingRow(const Example&, const ObjectiveContext&)> row;  // latent/objective.h
  bool counts_thoughts = false;  // takes the number of thoughts that it is bound with
  // Names, defaults and, by their JSON type, kinds of what else there is to choose; kept in the checkpoint.
  Json options = Json::object();
  // Refuses options that are of the right kind but make no sense; may be empty.
  std::function<void(const Json& options, const std::string& source)> check_options;
  // Fresh weights of the method's own; empty = it has none.
  std::function<MethodWeights(const ModelConfig&, const ObjectiveContext&, uint64_t seed)> weights;
  // The loss of a batch; empty = latent_loss() of its rows.
  std::function<LatentLoss(const LossContext&)> loss;
  // The config.json of a fresh model, made from that of the others (latent/train_method.h), given the method's options;
  // empty = the same.
  std::function<Json(Json usual, const Json& options)> model;
  // Set: it is trained on a finished checkpoint only, whose weights stay as they are; this refuses one that it cannot
  // be, given what its own checkpoint will say.
  std::function<void(const MethodSettings& start, const MethodSettings& own)> check_start;
  // The config.json that a checkpoint to start from goes on with, with the same weights; empty = its own.
  std::function<Json(Json own, const Json& options)> restart;
  // Number of stages of the curriculum given the number of thoughts; 1 = no curriculum.
  std::function<int64_t(int64_t latents)> stages;
  // The same where options say it; `stages` is then empty.
  std::function<int64_t(const Json& options)> stages_of_options = {};
  // What else makes its answers, or what it learns, others: a new text whenever a rule or a loss in code has changed.
  // Runs and trainings of another revision are not gone on with.
  std::string revision = {};
};

// Of a method that is trained; `options` complete.
int64_t stages_of(const Method& method, int64_t latents, const Json& options);

// A Method::loss that under some of the method's options is latent_loss() of the rows. Its type tells: a method made
// from this one with another loss has that one alone.
struct LossByOptions {
  std::function<bool(const Json& options)> of_rows;
  std::function<LatentLoss(const LossContext&)> otherwise;
  LatentLoss operator()(const LossContext& context) const;
};
// Whether a method's loss is latent_loss() of its rows, given all of its options.
bool loss_is_of_rows(const Method& method, const Json& options);

void register_method(Method method);  // fails when the name is taken
// The method called `name`; "latent" means settings.method. Fails naming the known ones.
const Method& method(const std::string& name, const MethodSettings& settings = {});
std::vector<std::string> method_names();

// Binds a method; latents < 0 takes the checkpoint's own number, `options` win over the checkpoint's. Fails when a
// number is given to a method that has none, and on options that it has not.
Procedure bind_method(const Method& method, const MethodSettings& settings, const Tokenizer* tokenizer,
                      int64_t latents = -1, const MethodWeights& weights = kNoMethodWeights,
                      const Json& options = Json::object());

// The method's options with those that are `given`. Fails naming an unknown one, or one of another kind; whole numbers
// serve where numbers are expected.
Json method_options(const Method& method, const Json& given, const std::string& source);

}  // namespace tacit
