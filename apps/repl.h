#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apps/reply.h"

namespace tacit {

inline constexpr int64_t kLeastWidth = 20, kMostWidth = 1000;

struct ReplSettings {
  std::filesystem::path words, thoughts;  // checkpoints
  std::string words_method = "latent", thoughts_method = "latent";
  std::filesystem::path models;  // folder offered by completion and taken by /compare, may be empty
  uint64_t seed = 0;
  int64_t latents = -1;     // of the side of thoughts; -1 = the checkpoint's own
  int64_t recurrences = 0;  // 0 = the checkpoint's own; of the sides that think in depth, one of which must be there
  LoadOptions load;         // of every model
  int64_t top = 8;          // tokens that /lens shows of a thought
  int64_t width = 0;        // columns; 0 = the terminal's
  std::string colour = "auto";  // on, off, auto: on a terminal
  bool interactive = false;     // on a terminal: what is made is shown as it is made
};

// The state of `tacit repl` and what its commands (apps/repl_command.h) share. Prints on standard output; what cannot
// be done throws Error and leaves the state as it was.
class Repl {
 public:
  using Arguments = std::vector<std::string>;

  struct Question {
    std::string text;                    // "" = none yet
    std::optional<GraphQuestion> graph;  // where both sides are asked about graphs
    std::string expected;                // the answer, where it is known
    AnswerRule rule = {};                // of the task, where the answer is known
    Asked asked() const { return Asked::about(graph ? &*graph : nullptr, expected); }
  };

  explicit Repl(const ReplSettings& settings);

  // One entry of input: a command, a question, or nothing. False: leave.
  bool handle(const std::string& line);
  void greet() const;
  void greet_sides() const;
  // What may stand in place of the last word of `line`.
  std::vector<std::string> completions(const std::string& line) const;

  // For commands.
  ReplSettings settings;
  Thinker words, thoughts;
  Question question;
  std::optional<std::array<Reply, 2>> replies;  // of words and thoughts to the question
  int64_t next = 0;                             // index of the next fresh problem of the seed
  bool leaving = false;

  void print(const Lines& lines) const;
  RenderOptions render_options() const;
  bool about_graphs() const;
  int64_t labels() const;
  void require_question() const;
  // Side "words" or "thoughts"; `usage` stands in the error.
  Thinker& side(const std::string& name, const std::string& usage);
  // Takes a leading "words" or "thoughts" out of `args`; thoughts where there is none.
  std::string take_side(Arguments& args) const;
  // A side's model with another method or number of thoughts.
  Thinker thinker(LoadedModel loaded, const std::string& method, int64_t latents,
                  const Json& options = Json::object()) const;
  // The number set with /latents, -1 where the method has none; of a side that of thoughts alone takes it.
  int64_t latents_for(const LoadedModel& loaded, const std::string& method) const;
  int64_t latents_for(const Thinker& side, const LoadedModel& loaded, const std::string& method) const;
  bool thinks_in_depth() const;  // one of the sides
  // A problem of the task that both sides were trained for.
  Example fresh_problem(uint64_t seed, int64_t index) const;
  // The example's question, judged as an evaluation of the task of the side of thoughts judges it.
  Question question_about(const Example& example) const;
  // Makes it the question, draws it and has both sides answer.
  void ask_both(Question asked);
  void answer_again();
  // One side's answer; on a terminal its thoughts and words show as they are made.
  Reply answer(const std::string& title, const Thinker& thinker, const Question& asked, AskOptions options = {}) const;
  void show_replies() const;
  LoadedModel open(const std::filesystem::path& directory) const { return open_model(directory, settings.load); }
  // A checkpoint that stays loaded for the next /compare.
  const LoadedModel& loaded(const std::filesystem::path& directory);

 private:
  void command(const std::string& line);
  // As the program is started; `option` names the method.
  Thinker first_side(const std::filesystem::path& directory, const std::string& method, int64_t latents,
                     const std::string& option) const;

  std::map<std::filesystem::path, LoadedModel> cache_;
};

// Fails with `advice` where `method` is "latent", the checkpoint's own, and it has none, as one that was not trained
// here.
void require_method(const LoadedModel& loaded, const std::string& method, std::string_view advice);

// Arguments of commands. Fail naming what was expected.
int64_t parse_count(const std::string& text, std::string_view what, int64_t least, int64_t most = int64_t{1} << 40);
uint64_t parse_seed(const std::string& text);

}  // namespace tacit
