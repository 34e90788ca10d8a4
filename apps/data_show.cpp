#include <algorithm>
#include <cstdio>
#include <iostream>
#include <optional>

#include "apps/command.h"
#include "apps/data_commands.h"
#include "apps/data_source.h"
#include "apps/eval_options.h"
#include "apps/known_names.h"
#include "apps/reach_options.h"
#include "apps/render.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "datasets/audit.h"
#include "datasets/text_audit.h"
#include "eval/prompts.h"
#include "eval/verdict.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// The graph of an example that has one, by the labels of its text.
std::optional<GraphQuestion> graph_of(const Example& example) {
  if (!has_graph(example) || !example.meta.contains("labels")) return {};
  const Json meta = Json::parse(example.meta.dump());
  const GraphProblem problem = graph_from_json(meta.at("graph"), "show", example.id);
  GraphQuestion question;
  question.words = JsonReader(meta, "show", example.id).strings("labels");
  require(std::ssize(question.words) == problem.nodes, "show", "expected ", problem.nodes, " labels but got ",
          question.words.size(), " in ", example.id);
  question.edges = problem.edges;
  question.candidates = {problem.target, problem.neg_target};
  const auto& shown = meta.contains("candidates") ? meta.at("candidates") : Json();
  if (shown.is_array() && shown.size() == 2 && shown[0] == question.words[problem.neg_target]) {
    question.candidates = {problem.neg_target, problem.target};
  }
  question.root = problem.root;
  question.distance = distances(problem);
  return question;
}

void show(const Example& example, const std::string& prompt) {
  const RenderOptions options{output_width(), output_has_colour()};
  std::cout << paint(example.id, Tone::bold, options.colour) << "\n\n" << prompt << "\n\n";
  if (const auto question = graph_of(example)) {
    for (const std::string& line : graph_picture(*question, options)) std::cout << line << "\n";
    std::cout << "\n";
  }
  for (size_t i = 0; i < example.choices.size(); ++i) {
    std::cout << "choice " << choice_letter(static_cast<int64_t>(i)) << "  " << example.choices[i] << "\n";
  }
  for (size_t i = 0; i < example.steps.size(); ++i) std::cout << "step " << i + 1 << "  " << example.steps[i] << "\n";
  std::cout << "answer  " << paint(example.answer, Tone::good, options.colour) << "\n";
}

void print_audit(const Audit& audit, const std::string& source) {
  std::printf("%s: %lld examples, %lld of them twice\n", source.c_str(), static_cast<long long>(audit.examples),
              static_cast<long long>(audit.duplicates));
  std::printf("nodes %lld to %lld (mean %.1f), edges %lld to %lld (mean %.1f)\n\n",
              static_cast<long long>(audit.min_nodes), static_cast<long long>(audit.max_nodes), audit.mean_nodes,
              static_cast<long long>(audit.min_edges), static_cast<long long>(audit.max_edges), audit.mean_edges);
  std::printf("distance of the target\n");
  for (const auto& [depth, count] : audit.depth_counts) {
    const double share = static_cast<double>(count) / static_cast<double>(audit.examples);
    std::printf("  %2lld  %6.1f %%  %s\n", static_cast<long long>(depth), 100 * share, bar(share, 32).c_str());
  }
  std::printf("\nnodes at a distance, mean\n");
  for (size_t k = 0; k < audit.mean_frontier.size(); ++k) std::printf("  %2zu  %6.2f\n", k + 1, audit.mean_frontier[k]);
  std::printf("\nrules that never look for a path\n");
  for (const Heuristic& h : audit.heuristics) {
    std::printf("  %-22s %6.1f %%  %s  decides %lld. %s\n", h.name.c_str(), 100 * h.accuracy,
                bar(h.accuracy, 24).c_str(), static_cast<long long>(h.decided), h.rule.c_str());
  }
  std::fflush(stdout);
}

// Two columns of a name, a share and its bar.
void print_share(const std::string& name, int64_t count, int64_t all) {
  const double share = static_cast<double>(count) / static_cast<double>(all);
  std::printf("  %-6s %6.1f %%  %s\n", name.c_str(), 100 * share, bar(share, 32).c_str());
}

void print_audit(const TextAudit& audit, const std::string& source) {
  constexpr size_t kShownAnswers = 12;
  std::printf("%s: %lld examples, %lld of them twice\n", source.c_str(), static_cast<long long>(audit.examples),
              static_cast<long long>(audit.duplicates));
  if (audit.contradictions > 0 || audit.empty_answers > 0) {
    std::printf("%lld of those twice with another answer, %lld examples without an answer\n",
                static_cast<long long>(audit.contradictions), static_cast<long long>(audit.empty_answers));
  }
  std::printf(
      "words of a question %lld to %lld (mean %.1f), of an answer up to %lld (mean %.1f), steps up to %lld "
      "(mean %.1f)\n",
      static_cast<long long>(audit.min_words), static_cast<long long>(audit.max_words), audit.mean_words,
      static_cast<long long>(audit.max_answer_words), audit.mean_answer_words, static_cast<long long>(audit.max_steps),
      audit.mean_steps);
  if (!audit.depth_counts.empty()) std::printf("\ndepth\n");
  for (const auto& [depth, count] : audit.depth_counts) print_share(std::to_string(depth), count, audit.examples);
  std::printf("\nanswers, %zu different\n", audit.answers.size());
  for (size_t i = 0; i < std::min(kShownAnswers, audit.answers.size()); ++i) {
    print_share(audit.answers[i].first, audit.answers[i].second, audit.examples);
  }
  std::printf("\nrules that never do the reasoning\n");
  for (const Heuristic& h : audit.heuristics) {
    std::printf("  %-22s %6.1f %%  %s  decides %lld. %s\n", h.name.c_str(), 100 * h.accuracy,
                bar(h.accuracy, 24).c_str(), static_cast<long long>(h.decided), h.rule.c_str());
  }
  std::fflush(stdout);
}

// The generated task that these examples are of, by their ids ("chain-7/0").
std::vector<GuessRule> rules_of(const std::vector<Example>& examples) {
  const std::string task = examples[0].id.substr(0, examples[0].id.find('-'));
  return is_generated(task) ? generated_task(task).rules : std::vector<GuessRule>();
}

// Where the problems stand: a task file, given as the file or as the task alone, names itself as the task, and the file
// that it brings.
std::filesystem::path data_file(const std::string& given, std::string& task_name) {
  if (!given.empty() && (!task_name.empty() || !holds_task(given))) return given;
  if (!given.empty()) task_name = given;
  const Task& of = task(task_name);
  require(!of.data.empty(), "data", "expected a file of problems, or a task file that has 'data', but got ", task_name);
  return of.data;
}

// What is shown stands in a file: a generator's options belong to the command that writes it.
void reject_generator(const Options& options, const std::vector<std::string>& args) {
  for (const std::string& arg : args) {
    if (arg == "--generator" || arg.starts_with("--generator=")) {
      options.reject(
          "expected '--generator' where problems are made, 'tacit data generate TASK --generator JSON --out "
          "FILE', whose FILE is then shown, but got it here");
    }
  }
}

template <class Found>
void print(const Found& audit, const std::string& source, bool json) {
  if (json) {
    std::cout << dump(to_json(audit), 2) << "\n";
  } else {
    print_audit(audit, source);
  }
}

}  // namespace

int data_show(const std::vector<std::string>& args) {
  std::string file, name;
  int64_t index = 0;
  uint64_t seed = 0;
  bool json = false;
  ReachFlags flags;
  PromptFlags prompt;
  Options options("data show", "One example of a file as a model is asked it, with its graph drawn if it has one.",
                  "tacit data generate reach --count 5 --seed 7 --out five.jsonl\n"
                  "tacit data show five.jsonl --index 3");
  options.positional(
      "FILE", &file,
      "JSON lines, ProsQA's JSON, with '--task' that task's file, or a task file; none where '--task' is "
      "a task file that has 'data'",
      /*optional=*/true);
  options.add("task", "NAME", &name, "whose file it is: 'tacit data list', or a task file, NAME.json");
  options.add("index", "I", &index, "which example, from 0 (default 0)", 0);
  prompt.add_shots(options);
  flags.add_text(options);
  options.add("seed", "N", &seed, "of solved examples, or of ProsQA's labels in symbols (default 0)");
  options.flag("json", &json, "print JSON");
  reject_generator(options, args);
  if (!options.parse(args)) return kDone;
  if (is_generated(file) && !std::filesystem::exists(file)) {
    options.reject("expected a file, such as 'tacit data generate " + file + " --out FILE' writes, but got the task '" +
                   file + "'");
  }
  if (!name.empty()) check_task(options, name);
  if (file.empty() && !is_task_file(name)) options.reject("expected FILE, or a task file that has 'data' as '--task'");
  if (name.empty()) options.reject_useless({"shots", "shots-data", "prompt"}, "--task");
  prompt.check(options);
  const std::filesystem::path data = data_file(file, name);
  TaskOptions asked;
  asked.data = data;
  asked.seed = seed;
  asked.reach.style = ReachStyle::english;  // ProsQA as published, unless asked
  prompt.apply(asked);
  flags.apply(asked.reach);
  flags.check(options, source_of_data(name, data), asked.reach.style, /*draws=*/asked.shots > 0);
  const std::vector<Example> examples = read_data(name, data, asked.reach, seed);
  require(!examples.empty(), "show", "expected examples but got none in ", data.string());
  require(index < std::ssize(examples), "show", "expected an index below ", examples.size(), " but got ", index, " in ",
          data.string());
  const Example& example = examples[index];
  const std::string text = name.empty() ? example.question : render_prompts(task(name), {example}, asked)[0];
  if (json) {
    OrderedJson out = to_json(example);
    if (!name.empty()) out["prompt"] = text;
    std::cout << dump(out, 2) << "\n";
  } else {
    show(example, text);
  }
  return kDone;
}

int data_audit(const std::vector<std::string>& args) {
  std::string source, name;
  int64_t count = 1000;
  uint64_t seed = 0;
  bool json = false;
  ReachFlags flags;
  Options options("data audit",
                  "Sizes and depths of a data set, and what rules score on it that never do the reasoning.",
                  "tacit data audit reach --count 500 --seed 7\n"
                  "tacit data audit listops --generator '{\"depth\": 4}' --count 500");
  options.positional(
      "SOURCE", &source,
      "a file (JSON lines, ProsQA's JSON, with '--task' that task's file, or a task file), or a generated task: reach, "
      "pointer, chain, listops, walks, maze; none where '--task' is a task file that has 'data'",
      /*optional=*/true);
  options.add("task", "NAME", &name, "whose file it is: 'tacit data list', or a task file, NAME.json");
  options.add("count", "N", &count, "a generated task: problems (default 1000)", 1);
  options.add("seed", "N", &seed, "of generated problems, or of ProsQA's labels in symbols (default 0)");
  flags.add_text(options);
  flags.add_generator(options);
  options.flag("json", &json, "print JSON");
  if (!options.parse(args)) return kDone;
  std::vector<Example> examples;
  if (!name.empty()) check_task(options, name);
  if (source.empty() && !is_task_file(name))
    options.reject("expected SOURCE, or a task file that has 'data' as '--task'");
  if (is_generated(source) && name.empty()) {
    const Generator generator = generator_of(options, flags, source);
    for (int64_t i = 0; i < count; ++i) examples.push_back(generator.example(seed, i));
  } else {
    const std::filesystem::path data = data_file(source, name);
    if (source.empty()) source = data.string();
    const ReachSource kind = source_of_data(name, data);
    ReachOptions reach;
    if (kind == ReachSource::prosqa) reach.style = ReachStyle::english;
    flags.apply(reach);
    flags.check(options, kind, reach.style);
    options.reject_given({"count"}, "SOURCE file");
    ReachFlags::reject_generator(options, "SOURCE file");
    examples = read_data(name, data, reach, seed);
  }
  require(!examples.empty(), "audit", "expected at least one example but got none in ", source);
  if (std::ranges::all_of(examples, has_graph)) {
    print(audit_reach(examples), source, json);
  } else {
    if (name.empty() && is_generated(source)) name = source;
    TextVerdict right;  // of a file of no named task: the reference's text
    if (!name.empty()) right = verdict_of(task(name).scorers.at(0));
    print(audit_text(examples, rules_of(examples), right), source, json);
  }
  return kDone;
}

}  // namespace tacit
