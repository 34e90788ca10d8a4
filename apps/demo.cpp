#include <algorithm>
#include <deque>
#include <iostream>

#include "apps/commands.h"
#include "apps/eval_options.h"
#include "apps/models.h"
#include "apps/options.h"
#include "apps/progress_bar.h"
#include "apps/reply.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "eval/compare.h"
#include "eval/evaluation.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr std::string_view kDemo = "demo";
constexpr std::string_view kWords = "cot", kThoughts = "frontier";

struct DemoOptions {
  CommonOptions common;
  std::filesystem::path models;
  int64_t count = 300;
  OrderedJson command;
};

// One of the problems of the table, and why this one.
struct Choice {
  int64_t index = 0;
  std::string reason;
  int64_t thoughts_only = 0, words_only = 0;  // of all problems: those that only one side gets right
};

Choice choose(const std::vector<Sample>& words, const std::vector<Sample>& thoughts) {
  Choice choice;
  const int64_t count = std::ssize(words);
  choice.index = -1;
  for (int64_t i = 0; i < count; ++i) {
    const bool right_in_words = words[i].correct, right_in_thoughts = thoughts[i].correct;
    choice.thoughts_only += right_in_thoughts && !right_in_words;
    choice.words_only += right_in_words && !right_in_thoughts;
    if (choice.index < 0 && right_in_thoughts && !right_in_words) choice.index = i;
  }
  const std::string place = " of " + std::to_string(count) + " fresh problems";
  if (choice.index < 0) {
    choice.index = 0;
    choice.reason = "Problem 1" + place + ", the first: on none of them are words wrong and thoughts right.";
  } else {
    choice.reason = "Problem " + std::to_string(choice.index + 1) + place +
                    ": the first on which words are wrong and thoughts are right. That holds for " +
                    std::to_string(choice.thoughts_only) + " of them, the reverse for " +
                    std::to_string(choice.words_only) + ".";
  }
  return choice;
}

class Demo {
 public:
  explicit Demo(const DemoOptions& options) : options_(options), progress_(progress_bar()) {
    const std::filesystem::path folder = models_folder(options.models, kDemo);
    for (const std::string_view name : kEmbeddedModels) {
      models_.push_back(make_thinker(open_model(embedded_model(folder, name, kDemo))));
      require(asks_about_graphs(models_.back()), kDemo, "expected models of task 'reach' in symbols but got ",
              models_.back().loaded.directory.string());
    }
    reach_.labels = models_[0].loaded.settings.labels;
    width_ = output_width();
    colour_ = !options.common.json && output_has_colour();
  }

  void run() {
    for (const Thinker& model : models_) evaluations_.emplace_back(model.loaded, problems(), progress_);
    for (const std::string_view name : {kWords, kThoughts}) evaluations_[place(name)].solve();
    choice_ = choose(evaluations_[place(kWords)].samples(), evaluations_[place(kThoughts)].samples());
    question_ = parse_graph_question(reach_example(reach_, options_.common.seed, choice_.index).question, kDemo);
    in_words_ = ask(models_[place(kWords)], question_.text());
    in_thoughts_ = ask(models_[place(kThoughts)], question_.text());
    if (!options_.common.json) show_problem();
    for (Evaluation& evaluation : evaluations_) evaluation.solve();
    const Comparison table = compare_all();
    if (options_.common.json) {
      std::cout << dump(report(table), 2) << "\n";
    } else {
      std::cout << "\n" << terminal_table(table, width_, colour_) << "\n" << closing(table) << std::flush;
    }
  }

 private:
  static size_t place(std::string_view name) {
    return std::find(kEmbeddedModels.begin(), kEmbeddedModels.end(), name) - kEmbeddedModels.begin();
  }

  RunOptions problems() const {
    RunOptions run;
    run.task = "reach";
    run.task_options.reach = reach_;
    run.task_options.seed = options_.common.seed;
    run.task_options.count = options_.count;
    run.batch = options_.common.batch;
    return run;
  }

  void show_problem() const {
    const RenderOptions drawing{.width = width_, .colour = colour_};
    Lines lines = wrap_text(choice_.reason + " Seed " + std::to_string(options_.common.seed) + ".", width_);
    lines.emplace_back();
    for (const std::string& line : graph_picture(question_, drawing)) lines.push_back(line);
    lines.emplace_back();
    const Lines replies =
        replies_side_by_side({"words", in_words_}, {"thoughts", in_thoughts_}, Asked::about(&question_), drawing);
    lines.insert(lines.end(), replies.begin(), replies.end());
    for (const std::string& line : lines) std::cout << line << "\n";
    std::cout << std::flush;
  }

  Comparison compare_all() {
    const std::vector<Run> runs = finish(evaluations_, progress_);
    std::vector<std::pair<std::string, Run>> named;
    for (size_t i = 0; i < runs.size(); ++i) named.emplace_back(kEmbeddedModels[i], runs[i]);
    Comparison table = compare(named, std::string(kWords));
    table.title = "fresh problems of ProsQA's size, generator seed " + std::to_string(options_.common.seed);
    table.provenance["command"] = options_.command;
    return table;
  }

  std::string closing(const Comparison& table) const {
    std::string text =
        "Every number was measured in this run; " + typed_command() +
        " repeats it. The frontier model's thoughts were trained with the frontier as their label, and cot-frontier " +
        "writes the same label out in words; coconut and pause had only the answers and the written steps.";
    std::string out;
    for (const std::string& line : wrap_text(text, width_)) out += line + "\n";
    return out;
  }

  std::string typed_command() const {
    std::string text;
    for (const auto& word : options_.command) text += (text.empty() ? "" : " ") + word.get<std::string>();
    return text;
  }

  OrderedJson report(const Comparison& table) const {
    OrderedJson thoughts = OrderedJson::array();
    for (const WordShares& shares : in_thoughts_.grid.thoughts) {
      OrderedJson one = OrderedJson::array();
      for (const auto& [word, share] : shares) one.push_back({{"word", word}, {"probability", share}});
      thoughts.push_back(std::move(one));
    }
    const int64_t answer = question_.answer();
    OrderedJson problem = {{"index", choice_.index},
                           {"chosen", choice_.reason},
                           {"question", question_.text()},
                           {"answer", question_.words[answer]}};
    problem["words"] = {
        {"model", kWords}, {"chain", in_words_.words}, {"answer", in_words_.answer}, {"ms", in_words_.ms}};
    problem["thoughts"] = {
        {"model", kThoughts}, {"readouts", thoughts}, {"answer", in_thoughts_.answer}, {"ms", in_thoughts_.ms}};
    return {{"seed", options_.common.seed},
            {"count", options_.count},
            {"problem", problem},
            {"only_thoughts_right", choice_.thoughts_only},
            {"only_words_right", choice_.words_only},
            {"table", to_json(table)}};
  }

  DemoOptions options_;
  ProgressCallback progress_;
  std::vector<Thinker> models_;         // in the order of kEmbeddedModels
  std::deque<Evaluation> evaluations_;  // of the same
  ReachOptions reach_;
  int64_t width_ = 100;
  bool colour_ = false;
  Choice choice_;
  GraphQuestion question_;
  Reply in_words_, in_thoughts_;
};

int run_demo(const std::vector<std::string>& args) {
  DemoOptions demo;
  demo.command = command_line("demo", args);
  Options options("demo",
                  "One graph question in words and in thoughts, then the embedded models measured on fresh problems.",
                  "tacit demo\ntacit demo --count 50 --seed 7 --json");
  options.common(demo.common, {"seed", "batch", "threads", "json"});
  options.add("count", "N", &demo.count, "fresh problems in the table");
  options.add("models", "DIR", &demo.models, "folder of the embedded models (default: found beside the program)");
  if (!options.parse(args)) return kDone;
  if (demo.count < 1) options.reject("expected '--count' of at least 1 but got " + std::to_string(demo.count));
  use_threads(demo.common.threads);
  Demo(demo).run();
  return kDone;
}

}  // namespace

Command demo_command() {
  return {"demo", "the point in under a minute: one question drawn, six models measured", run_demo};
}

}  // namespace tacit
