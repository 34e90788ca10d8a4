#include <algorithm>
#include <cstdio>
#include <iostream>

#include "apps/command.h"
#include "apps/data_commands.h"
#include "apps/reach_options.h"
#include "apps/render.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "datasets/audit.h"
#include "datasets/text_audit.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

bool has_graph(const Example& example) { return example.meta.is_object() && example.meta.contains("graph"); }

// Examples of a file: ProsQA's JSON (rendered as asked), JSON lines of reach, whose graphs are checked, or of any task.
std::vector<Example> read_problems(const std::filesystem::path& file, const ReachOptions& reach, uint64_t seed) {
  if (reach_source(file) == ReachSource::prosqa) return read_prosqa(file, reach.style, reach.labels, seed);
  std::vector<Example> examples = read_generated_examples(file);
  return std::ranges::any_of(examples, has_graph) ? read_reach_examples(file) : examples;
}

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

void show(const Example& example) {
  const RenderOptions options{output_width(), output_has_colour()};
  std::cout << paint(example.id, Tone::bold, options.colour) << "\n\n" << example.question << "\n\n";
  if (const auto question = graph_of(example)) {
    for (const std::string& line : graph_picture(*question, options)) std::cout << line << "\n";
    std::cout << "\n";
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
  std::printf("words of a question %lld to %lld (mean %.1f), steps %.1f in the mean\n",
              static_cast<long long>(audit.min_words), static_cast<long long>(audit.max_words), audit.mean_words,
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
  std::string file;
  int64_t index = 0;
  uint64_t seed = 0;
  bool json = false;
  ReachFlags flags;
  Options options("data show", "One example of a file, with its graph drawn if it has one.",
                  "tacit data generate reach --count 5 --seed 7 --out reach.jsonl\n"
                  "tacit data show reach.jsonl --index 3");
  options.positional("FILE", &file, "JSON lines, or ProsQA's JSON");
  options.add("index", "I", &index, "which example, from 0 (default 0)", 0);
  flags.add_text(options);
  options.add("seed", "N", &seed, "of ProsQA's labels in symbols (default 0)");
  options.flag("json", &json, "print JSON");
  if (!options.parse(args)) return kDone;
  if (is_generated(file) && !std::filesystem::exists(file)) {
    options.reject("expected a file, such as 'tacit data generate " + file + " --out FILE' writes, but got the task '" +
                   file + "'");
  }
  ReachOptions reach;
  reach.style = ReachStyle::english;  // ProsQA as published, unless asked
  flags.apply(reach);
  flags.check(options, reach_source(file), reach.style);
  const std::vector<Example> examples = read_problems(file, reach, seed);
  require(index < std::ssize(examples), "show", "expected an index below ", examples.size(), " but got ", index, " in ",
          file);
  if (json) {
    std::cout << dump(to_json(examples[index]), 2) << "\n";
  } else {
    show(examples[index]);
  }
  return kDone;
}

int data_audit(const std::vector<std::string>& args) {
  std::string source;
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
      "a file (JSON lines or ProsQA's JSON), or a generated task: reach, pointer, chain, listops, walks, "
      "maze");
  options.add("count", "N", &count, "a generated task: problems (default 1000)", 1);
  options.add("seed", "N", &seed, "of generated problems, or of ProsQA's labels in symbols (default 0)");
  flags.add_text(options);
  flags.add_generator(options);
  options.flag("json", &json, "print JSON");
  if (!options.parse(args)) return kDone;
  std::vector<Example> examples;
  if (is_generated(source)) {
    const Generator generator = generator_of(options, flags, source);
    for (int64_t i = 0; i < count; ++i) examples.push_back(generator.example(seed, i));
  } else {
    ReachOptions reach;
    flags.apply(reach);
    flags.check(options, reach_source(source), reach.style);
    options.reject_given({"count"}, "SOURCE file");
    ReachFlags::reject_generator(options, "SOURCE file");
    examples = read_problems(source, reach, seed);
  }
  require(!examples.empty(), "audit", "expected at least one example but got none in ", source);
  if (std::ranges::all_of(examples, has_graph)) {
    print(audit_reach(examples), source, json);
  } else {
    print(audit_text(examples, rules_of(examples)), source, json);
  }
  return kDone;
}

}  // namespace tacit
