#pragma once

#include <string>
#include <vector>

#include "apps/render.h"
#include "decoding/verbalise.h"
#include "eval/run.h"

namespace tacit {

// A model and the way it is asked to think, ready to answer.
struct Thinker {
  LoadedModel loaded;
  std::string method;  // as bound
  Procedure procedure;
  int64_t recurrences = 0;  // SessionOptions::recurrences
  Strategy strategy = {};   // how answers are decoded
  uint64_t sample_seed = 0;
  std::optional<Verbaliser> verbaliser = {};
};
// Fails where not even a question of one token would leave room for the thoughts and the answer.
Thinker make_thinker(LoadedModel loaded, const std::string& method = "latent", int64_t latents = -1,
                     int64_t recurrences = 0);

// True when questions are graphs in symbols (datasets/reach.h), so that a picture of them can be drawn.
bool asks_about_graphs(const Thinker& thinker);

// What a model did with one question, as text.
struct Reply {
  std::vector<std::string> words;  // a chain of thought that was written, or the fixed tokens that stood in for one
  ThoughtGrid grid;                // readouts of thoughts that are no tokens
  std::vector<Verbalised> said;    // of each thought that is no token, where there is a verbaliser
  std::string answer;
  int64_t steps = 0;
  double ms = 0;
};

// Thinks and answers. Ctrl-C between two thoughts throws Interrupted.
Reply ask(const Thinker& thinker, const std::string& question);

// The replies of words and thoughts beside each other; `question` is null when it is not a graph.
Lines replies_side_by_side(const Thinker& words, const Reply& in_words, const Thinker& thoughts,
                           const Reply& in_thoughts, const GraphQuestion* question, const RenderOptions& options);

}  // namespace tacit
