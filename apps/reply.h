#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apps/answer_rule.h"
#include "apps/render.h"
#include "decoding/solve.h"
#include "decoding/verbalise.h"
#include "eval/run.h"

namespace tacit {

// A model and the way it is asked to think, ready to answer.
struct Thinker {
  LoadedModel loaded;
  std::string method;  // as bound
  Procedure procedure;
  Strategy strategy = {};  // how answers are decoded
  uint64_t sample_seed = 0;
  std::optional<Verbaliser> verbaliser = {};
  int64_t recurrences = 0;        // SessionOptions::recurrences
  Json options = Json::object();  // of the method, those that were given over the checkpoint's own
};
// Fails where not even a question of one token would leave room for the thoughts and the answer.
Thinker make_thinker(LoadedModel loaded, const std::string& method = "latent", int64_t latents = -1,
                     int64_t recurrences = 0, const Json& options = Json::object());

// True when questions are graphs in symbols (datasets/reach.h), so that a picture of them can be drawn.
bool asks_about_graphs(const Thinker& thinker);

// A thought about to be fed back.
struct FedThought {
  at::Tensor vector_D;
  std::optional<int64_t> token = {};  // where it is a word
};

struct AskOptions {
  int64_t id = 0;  // of the problem: what is drawn for it depends on this, as in an evaluation (SolveOptions::ids)
  AnswerRule rule = {};
  // Called before each thought, from 0, is fed, where thoughts follow one another; what it costs is not counted.
  std::function<void(int64_t index, const StepState& state, const NextInput& thought)> watch;
  bool layers = false;  // StepState::layer_BD for `watch`
  // Called after each token of the answer with its text so far; not counted either.
  std::function<void(const std::string& text)> answering;
  // Set: what `replacement` makes of thought `replaced`, from 0, is fed in its place. logits_V: the readout that it was
  // taken from, of thoughts in parallel its own. Parallel thoughts are replaced in the last iteration, so that the
  // others stay as they are.
  int64_t replaced = -1;
  std::function<FedThought(const FedThought& own, const at::Tensor& logits_V)> replacement;
};

// What a model did with one question, as text.
struct Reply {
  std::string method;  // that made it
  bool in_words = false;
  std::vector<std::string> words;  // a chain of thought that was written, or pauses: fixed tokens that stood in for one
  ThoughtGrid grid;                // readouts of thoughts that are no tokens
  std::vector<Verbalised> said;    // of each thought that is no token, where there is a verbaliser
  std::string answer;
  std::string counted;        // of the answer, by AskOptions::rule
  std::optional<bool> right;  // by the rule, where it judges
  bool by_choice = false;     // AnswerRule's: nothing is known of the text
  int64_t steps = 0;
  bool cut_off = false;  // a written chain that ran into the cap on words
  // Where the reply is one of several samples (vote, best): how many, the thoughts or words of all, and what they gave,
  // most first; empty where it was not counted.
  int64_t samples = 1, all_steps = 0;
  std::vector<AnswerVotes> votes;
  double ms = 0;
  PhaseTimes phases;            // of ms
  at::Tensor trace_KD;          // the vectors fed back
  std::vector<int64_t> tokens;  // those of thoughts that are words
};

// Thinks and answers. Ctrl-C between two thoughts or two tokens of the answer throws Interrupted.
Reply ask(const Thinker& thinker, const std::string& question, const AskOptions& options = {});

// A reply under its title.
struct Told {
  std::string title;
  const Reply& reply;
};

std::string steps_text(const Reply& reply);         // "12 words", "6 thoughts", "6 pauses"
std::string capped_steps_text(const Reply& reply);  // the same, of a chain that was cut off "64 words, the cap"
std::string none_text(const Reply& reply);          // in place of a picture where there are none: "(no words)"

// What pictures are drawn of, without control characters; of a graph with what is true.
std::vector<std::string> shown_words(const Reply& reply);
ThoughtGrid shown_grid(const Reply& reply, const GraphQuestion* graph);

// What was asked, as far as it is known.
struct Asked {
  const GraphQuestion* graph = nullptr;  // null when it is not a graph
  std::string expected;                  // the right answer; "" = not known

  static Asked about(const GraphQuestion* graph, std::string expected = "");  // a graph's answer is found in it
};

// Two replies beside each other, or one above the other.
Lines replies_side_by_side(const Told& left, const Told& right, const Asked& asked, const RenderOptions& options);
// The chain of words and the answer, with nothing of them left out.
Lines whole_reply(const Told& told, const Asked& asked, const RenderOptions& options);
// "answer 4 ✓ right", in two parts below each other where a long answer would leave no room beside it.
Lines verdict(const Reply& reply, const Asked& asked, const RenderOptions& options);
// Nothing where that is not known: no answer is expected, or the rule judges no texts.
std::optional<bool> is_right(const Reply& reply, const Asked& asked);
// Whether two answers are one by the rule.
bool same_answer(const AnswerRule& rule, const Reply& a, const Reply& b);

}  // namespace tacit
