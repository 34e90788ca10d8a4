#include <cstdio>
#include <iostream>

#include "apps/command.h"
#include "apps/data_commands.h"
#include "apps/reach_options.h"
#include "apps/render.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "datasets/audit.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// The graph of an example that has one, by the labels of its text.
std::optional<GraphQuestion> graph_of(const Example& example) {
  if (!example.meta.is_object() || !example.meta.contains("graph") || !example.meta.contains("labels")) return {};
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

}  // namespace

int data_show(const std::vector<std::string>& args) {
  std::string file;
  int64_t index = 0;
  uint64_t seed = 0;
  bool json = false;
  ReachFlags flags;
  Options options("data show", "One example of a file, with its graph drawn.",
                  "tacit data generate reach --count 5 --seed 7 --out reach.jsonl\n"
                  "tacit data show reach.jsonl --index 3");
  options.positional("FILE", &file, "JSON lines, or ProsQA's JSON");
  options.add("index", "I", &index, "which example, from 0 (default 0)", 0);
  flags.add_text(options);
  options.add("seed", "N", &seed, "of ProsQA's labels in symbols (default 0)");
  options.flag("json", &json, "print JSON");
  if (!options.parse(args)) return kDone;
  if (file == "reach" && !std::filesystem::exists(file))
    options.reject("expected a file, such as 'tacit data generate reach --out FILE' writes, but got the task 'reach'");
  ReachOptions reach;
  reach.style = ReachStyle::english;  // ProsQA as published, unless asked
  flags.apply(reach);
  flags.check(options, reach_source(file), reach.style);
  const std::vector<Example> examples = read_reach_file(file, reach, seed);
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
                  "Sizes and depths of a data set, and what rules score on it that never look for a path.",
                  "tacit data audit reach --count 500 --seed 7");
  options.positional("SOURCE", &source, "a file (JSON lines or ProsQA's JSON), or 'reach' for generated problems");
  options.add("count", "N", &count, "reach: problems (default 1000)", 1);
  options.add("seed", "N", &seed, "of generated problems, or of ProsQA's labels in symbols (default 0)");
  flags.add_text(options);
  flags.add_generator(options);
  options.flag("json", &json, "print JSON");
  if (!options.parse(args)) return kDone;
  ReachOptions reach;
  flags.apply(reach);
  const bool generated = source == "reach";
  flags.check(options, generated ? ReachSource::generator : reach_source(source), reach.style);
  std::vector<Example> examples;
  if (generated) {
    for (int64_t i = 0; i < count; ++i) examples.push_back(reach_example(reach, seed, i));
  } else {
    options.reject_given({"count"}, "SOURCE file");
    ReachFlags::reject_generator(options, "SOURCE file");
    examples = read_reach_file(source, reach, seed);
  }
  require(!examples.empty(), "audit", "expected at least one example but got none in ", source);
  const Audit audit = audit_reach(examples);
  if (json) {
    std::cout << dump(to_json(audit), 2) << "\n";
  } else {
    print_audit(audit, source);
  }
  return kDone;
}

}  // namespace tacit
