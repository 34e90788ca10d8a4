#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "latent/objective.h"
#include "latent/session.h"
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
  int64_t labels = 32;     // label words of the symbol vocabulary
  Json generator;          // options of a generated task other than reach (datasets/generated_task.h); null = none
  // What a thought of method frontier was trained to hold: "level" = nodes at distance k, "explored" = nodes within
  // distance k, root included.
  std::string frontier = "level";
  Markers markers;
};
MethodSettings read_method_settings(const Json& config, const std::string& source);
OrderedJson to_json(const MethodSettings& settings);

// A method bound to a vocabulary and a budget: everything needed to answer a prompt.
struct Procedure {
  std::string method;
  bool in_words = false;               // thinks in tokens that can be read
  std::vector<int64_t> prompt_suffix;  // appended to the question's tokens
  ThinkOptions think;
  std::vector<int64_t> answer_marker;  // fed after thinking, may be empty
  std::optional<int64_t> stop_token;   // ends the answer
};

struct MethodContext {
  const MethodSettings& settings;
  const Tokenizer* tokenizer;  // null: markers are not inserted (plain Hugging Face directory scored by ids)
  int64_t latents;             // thoughts to take
};

// A way to reason: how a checkpoint trained for it thinks, and what it is trained on. Data, not a class: a method is
// added by register_method() from any file, inside the library or outside.
struct Method {
  std::string name;       // as in docs/methods, e.g. "coconut"
  std::string summary;    // one line
  std::string reference;  // paper
  std::function<Procedure(const MethodContext&)> procedure;
  std::function<TrainingRow(const Example&, const ObjectiveContext&)> row;  // latent/objective.h
  bool counts_thoughts = false;  // takes the number of thoughts that it is bound with
  // Number of stages of the curriculum given the number of thoughts; 1 = no curriculum.
  std::function<int64_t(int64_t latents)> stages;
};

void register_method(Method method);  // fails when the name is taken
// The method called `name`; "latent" means settings.method. Fails naming the known ones.
const Method& method(const std::string& name, const MethodSettings& settings = {});
std::vector<std::string> method_names();

// Binds a method; latents < 0 takes the checkpoint's own number. Fails when a number is given to a method that has
// none.
Procedure bind(const Method& method, const MethodSettings& settings, const Tokenizer* tokenizer, int64_t latents = -1);

}  // namespace tacit
