#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/reply.h"

namespace tacit {

// The state of `tacit repl` and what its commands do. Prints on standard output; a command that cannot be done throws
// Error.
class Repl {
 public:
  struct Settings {
    std::filesystem::path words, thoughts;  // checkpoints
    std::filesystem::path models;           // folder offered by completion, may be empty
    uint64_t seed = 0;
    int64_t latents = -1;     // -1 = the checkpoint's own
    int64_t recurrences = 0;  // 0 = the checkpoint's own; of the sides that think in depth, one of which must be there
    bool colour = false;
  };
  explicit Repl(const Settings& settings);

  // One line of input: a command, a question, or nothing. False: leave.
  bool handle(const std::string& line);

  void greet() const;
  std::vector<std::string> completions(const std::string& line) const;

 private:
  struct Entry;  // a command
  static const std::vector<Entry>& entries();
  using Arguments = std::vector<std::string>;

  void help(const Arguments&);
  void fresh(const Arguments& args);
  void show(const Arguments&);
  void again(const Arguments&);
  void set_latents(const Arguments& args);
  void set_method(const Arguments& args);
  void set_model(const Arguments& args);
  void set_seed(const Arguments& args);

  void command(const std::string& line);
  void question(const std::string& text);
  void reply();
  void print(const Lines& lines) const;
  RenderOptions render_options() const;
  Thinker& side(const std::string& name, const std::string& usage);
  int64_t latents_for(const Thinker& side, const LoadedModel& loaded, const std::string& name) const;
  Thinker thinker(LoadedModel loaded, const std::string& method, int64_t latents) const;
  int64_t labels() const;
  bool about_graphs() const;

  Settings settings_;
  Thinker words_, thoughts_;
  int64_t next_ = 0;                    // index of the next fresh problem of the seed
  std::string text_;                    // the current question, "" = none yet
  std::optional<GraphQuestion> graph_;  // its graph
  bool leaving_ = false;
};

}  // namespace tacit
