#include "apps/repl.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <iostream>

#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/line_reader.h"
#include "apps/models.h"
#include "apps/options.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "datasets/reach.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

constexpr std::string_view kOperation = "repl";

template <class Integer>
Integer parse_number(const std::string& text, std::string_view what) {
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc() && end == text.data() + text.size(), kOperation, "expected ", what, " but got '", text,
          "'");
  return value;
}

}  // namespace

struct Repl::Entry {
  std::string name, arguments, help;
  size_t least, most;  // number of arguments
  void (Repl::*run)(const Arguments&);
};

const std::vector<Repl::Entry>& Repl::entries() {
  static const std::vector<Entry> all = {
      {"/new", "[SEED]", "draw a fresh graph problem and answer it; with SEED the first of that seed", 0, 1,
       &Repl::fresh},
      {"/show", "", "the current problem's graph and question", 0, 0, &Repl::show},
      {"/again", "", "answer the current question with the settings as they are now", 0, 0, &Repl::again},
      {"/latents", "[N]", "thoughts to take; without N the checkpoint's own number", 0, 1, &Repl::set_latents},
      {"/method", "[words|thoughts NAME]", "the methods in use, or another one for a side", 0, 2, &Repl::set_method},
      {"/model", "words|thoughts DIR", "load a side's checkpoint", 2, 2, &Repl::set_model},
      {"/seed", "[N]", "the seed of fresh problems, or another one from its start", 0, 1, &Repl::set_seed},
      {"/help", "", "this list", 0, 0, &Repl::help},
      {"/quit", "", "leave, as Ctrl-D does", 0, 0, nullptr},
  };
  return all;
}

Repl::Repl(const Settings& settings)
    : settings_(settings),
      words_(thinker(open_model(settings.words), "latent", -1)),
      thoughts_(thinker(open_model(settings.thoughts), "latent", settings.latents)) {
  require(settings.recurrences == 0 || words_.recurrences > 0 || thoughts_.recurrences > 0, kOperation,
          "expected a model with recurrent depth beside --recurrences but neither has it");
}

Thinker Repl::thinker(LoadedModel loaded, const std::string& method, int64_t latents) const {
  const int64_t recurrences = loaded.model->config().depth.recurrent ? settings_.recurrences : 0;
  return make_thinker(std::move(loaded), method, latents, recurrences);
}

RenderOptions Repl::render_options() const { return {.width = output_width(), .colour = settings_.colour}; }

void Repl::print(const Lines& lines) const {
  for (const std::string& line : lines) std::cout << line << "\n";
  std::cout << std::flush;
}

bool Repl::about_graphs() const { return asks_about_graphs(words_) && asks_about_graphs(thoughts_); }

int64_t Repl::labels() const { return std::min(words_.loaded.settings.labels, thoughts_.loaded.settings.labels); }

void Repl::greet() const {
  print({paint("Words and thoughts, side by side.", Tone::bold, settings_.colour) +
             "  /new draws a problem, /help lists the rest.",
         "words: " + words_.loaded.directory.string() + " (" + words_.method +
             ")   thoughts: " + thoughts_.loaded.directory.string() + " (" + thoughts_.method + ")"});
}

bool Repl::handle(const std::string& line) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string::npos || line[begin] == '#') return true;
  if (line[begin] == '/') {
    command(line);
  } else {
    question(line.substr(begin));
  }
  return !leaving_;
}

void Repl::command(const std::string& line) {
  std::vector<std::string> words = split_words(line);
  const std::string name = words[0];
  words.erase(words.begin());
  std::vector<std::string> known;
  for (const Entry& entry : entries()) {
    known.push_back(entry.name);
    if (entry.name != name) continue;
    const std::string usage = name + (entry.arguments.empty() ? "" : " " + entry.arguments);
    require(words.size() >= entry.least && words.size() <= entry.most, kOperation, "expected '", usage, "' but got '",
            line, "'");
    if (entry.run == nullptr) {
      leaving_ = true;
    } else {
      (this->*entry.run)(words);
    }
    return;
  }
  fail(kOperation, "expected a command that /help lists but got '", name, "'", did_you_mean(name, known));
}

void Repl::help(const Arguments&) {
  Lines lines;
  for (const Entry& entry : entries()) lines.push_back(pad(entry.name + " " + entry.arguments, 31) + entry.help);
  lines.push_back("any other line                 a question, such as: 17 3 | 5 17 | 22 9 | [Q] 3 9 [R] 5");
  lines.push_back("");
  lines.push_back("Tab completes commands and words, Ctrl-C stops a generation, # begins a comment.");
  print(lines);
}

void Repl::fresh(const Arguments& args) {
  require(about_graphs(), kOperation, "expected two models of task 'reach' in symbols but got ",
          words_.loaded.directory.string(), " and ", thoughts_.loaded.directory.string());
  if (!args.empty()) {
    settings_.seed = parse_number<uint64_t>(args[0], "a seed of at least 0");
    next_ = 0;
  }
  ReachOptions options;
  options.labels = labels();
  const Example example = reach_example(options, settings_.seed, next_++);
  print({paint(example.id, Tone::dim, settings_.colour)});
  question(example.question);
}

void Repl::show(const Arguments&) {
  require(!text_.empty(), kOperation, "expected a question first: type one, or /new");
  if (graph_) print(graph_picture(*graph_, render_options()));
  print({text_});
}

void Repl::again(const Arguments&) {
  require(!text_.empty(), kOperation, "expected a question first: type one, or /new");
  reply();
}

void Repl::set_latents(const Arguments& args) {
  const int64_t latents = args.empty() ? -1 : parse_number<int64_t>(args[0], "a number of thoughts, at least 0,");
  require(args.empty() || latents >= 0, kOperation, "expected a number of thoughts, at least 0, but got ", latents);
  thoughts_ = thinker(LoadedModel(thoughts_.loaded), thoughts_.method, latents);
  settings_.latents = latents;
  print({"thoughts: up to " + std::to_string(thoughts_.procedure.max_thoughts())});
}

Thinker& Repl::side(const std::string& name, const std::string& usage) {
  require(name == "words" || name == "thoughts", kOperation, "expected '", usage, "' but got '", name, "'",
          did_you_mean(name, {"words", "thoughts"}));
  return name == "words" ? words_ : thoughts_;
}

// --latents and /latents are kept for the next method that thinks; one in words, or none, has no number of thoughts.
int64_t Repl::latents_for(const Thinker& side, const LoadedModel& loaded, const std::string& name) const {
  return &side == &thoughts_ && method(name, loaded.settings).counts_thoughts ? settings_.latents : -1;
}

void Repl::set_method(const Arguments& args) {
  if (!args.empty()) {
    require(args.size() == 2, kOperation, "expected '/method words|thoughts NAME' but got no NAME");
    Thinker& chosen = side(args[0], "/method words|thoughts NAME");
    chosen = thinker(LoadedModel(chosen.loaded), args[1], latents_for(chosen, chosen.loaded, args[1]));
  }
  print({"words: " + words_.method + "   thoughts: " + thoughts_.method});
}

void Repl::set_model(const Arguments& args) {
  Thinker& chosen = side(args[0], "/model words|thoughts DIR");
  LoadedModel loaded = open_model(args[1]);
  const int64_t latents = latents_for(chosen, loaded, "latent");
  chosen = thinker(std::move(loaded), "latent", latents);
  print({args[0] + ": " + args[1] + " (" + chosen.method + ")"});
}

void Repl::set_seed(const Arguments& args) {
  if (!args.empty()) {
    settings_.seed = parse_number<uint64_t>(args[0], "a seed of at least 0");
    next_ = 0;
  }
  print({"seed " + std::to_string(settings_.seed) + ", next problem " + std::to_string(next_)});
}

// Both models get the question in their own format; what they cannot read is refused before either thinks.
void Repl::question(const std::string& text) {
  if (about_graphs()) {
    GraphQuestion graph = parse_graph_question(text, kOperation);
    require_labels(graph, labels(), kOperation);
    text_ = graph.text();
    graph_ = std::move(graph);
    print(graph_picture(*graph_, render_options()));
    print({""});
  } else {
    text_ = text;
    graph_.reset();
  }
  reply();
}

void Repl::reply() {
  const Reply in_words = ask(words_, text_);
  const Reply in_thoughts = ask(thoughts_, text_);
  print(replies_side_by_side(words_, in_words, thoughts_, in_thoughts, graph_ ? &*graph_ : nullptr, render_options()));
  print({""});
}

std::vector<std::string> Repl::completions(const std::string& line) const {
  const std::vector<std::string> before = split_words(line);
  const bool new_word = line.empty() || line.back() == ' ';
  const size_t place = before.size() - (new_word ? 0 : 1);  // of the word that is being typed
  std::vector<std::string> words;
  if (place == 0 && line.find('/') != std::string::npos) {
    for (const Entry& entry : entries()) words.push_back(entry.name);
  } else if (place > 0 && (before[0] == "/method" || before[0] == "/model")) {
    if (place == 1) return {"words", "thoughts"};
    if (before[0] == "/method") return method_names();
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(settings_.models, ignored)) {
      if (entry.is_directory()) words.push_back(entry.path().string());
    }
    std::sort(words.begin(), words.end());
  } else if (place == 0 || before[0][0] != '/') {
    const Tokenizer& tokenizer = *thoughts_.loaded.tokenizer;
    for (int64_t id = 0; id < tokenizer.vocab_size(); ++id) words.push_back(tokenizer.token(id));
  }
  return words;
}

namespace {

// A failed command is told on stderr and the loop goes on; the exit status of a script remembers it.
int converse(Repl& repl, LineReader& lines, bool interactive) {
  int status = kDone;
  while (true) {
    const std::optional<std::string> line = lines.next();
    if (interactive) clear_interrupt();
    if (!line) break;
    try {
      if (!repl.handle(*line)) break;
    } catch (const Interrupted& stopped) {
      if (!interactive) throw;
      clear_interrupt();
      std::cout << "stopped" << std::endl;
    } catch (const std::exception& error) {
      const std::string text = error.what();
      std::cout << std::flush;
      std::cerr << text.substr(0, text.find('\n')) << std::endl;
      status = kFailed;
    }
  }
  return interactive ? kDone : status;
}

int run_repl(const std::vector<std::string>& args) {
  CommonOptions common;
  Repl::Settings settings;
  Options options("repl",
                  "The same question answered in words and in thoughts, side by side, every thought read out as bars.",
                  "tacit repl\nprintf '/new 7\\n/latents 2\\n/again\\n' | tacit repl");
  options.common(common, {"seed", "threads", "latents", "recurrences"});
  options.add("words", "DIR", &settings.words, "checkpoint that thinks in words (default: cot of the embedded models)");
  options.add("thoughts", "DIR", &settings.thoughts,
              "checkpoint that thinks in thoughts (default: frontier of the embedded models)");
  options.add("models", "DIR", &settings.models, "folder of the embedded models (default: found beside the program)");
  if (!options.parse(args)) return kDone;
  use_threads(common.threads);
  settings.seed = common.seed;
  settings.latents = common.latents;
  settings.recurrences = common.recurrences;
  if (settings.words.empty() || settings.thoughts.empty() || !settings.models.empty()) {
    settings.models = models_folder(settings.models, kOperation);
  }
  if (settings.words.empty()) settings.words = embedded_model(settings.models, "cot", kOperation);
  if (settings.thoughts.empty()) settings.thoughts = embedded_model(settings.models, "frontier", kOperation);

  const bool interactive = is_terminal(STDIN_FILENO) && is_terminal(STDOUT_FILENO);
  settings.colour = interactive && output_has_colour();
  Repl repl(settings);
  const auto complete = [&](const std::string& line) { return repl.completions(line); };
  const std::unique_ptr<LineReader> lines = interactive ? edited_lines("tacit> ", complete) : plain_lines();
  if (interactive) repl.greet();
  return converse(repl, *lines, interactive);
}

}  // namespace

Command repl_command() { return {"repl", "words and thoughts side by side, interactive or from a pipe", run_repl}; }

}  // namespace tacit
