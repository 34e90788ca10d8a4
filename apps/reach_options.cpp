#include "apps/reach_options.h"

#include <fstream>

#include "lib/core/data_file.h"
#include "lib/core/error.h"

namespace tacit {

void ReachFlags::add_text(Options& options) {
  options.choice("style", {"symbols", "english"}, &style,
                 "how a graph is told (default: as the checkpoint was trained; else ProsQA's file in English, as "
                 "published, and generated graphs in symbols)");
  options.add("labels", "N", &labels, "label words of the symbols", 2, kMostLabels);
}

void ReachFlags::add_generator(Options& options) {
  options.choice("kind", {"prosqa", "random"}, &kind,
                 "ProsQA's growing DAG, or edges drawn uniformly (default prosqa)");
  options.add("min-nodes", "N", &graph.min_nodes, "least nodes (default 17)", 2);
  options.add("max-nodes", "N", &graph.max_nodes, "most nodes (default 28)", 2);
  options.add("min-depth", "N", &graph.min_depth, "least distance of the target (default 3)", 1);
  options.add("max-depth", "N", &graph.max_depth, "largest distance of the target (default 6)", 1);
  options.add("edges-per-node", "X", &graph.edges_per_node, "kind random: edges for each node (default 1.6)", 0);
  options.flag("acyclic", &graph.acyclic, "kind random: no cycles");
  options.choice("balance-in-degree", {"true", "false"}, &balance, "candidates with equal degrees (default true)");
  options.add("generator", "JSON", &generator,
              "options of a generated task other than reach, or a file of them: '{\"depth\": [3, 5]}'");
}

void ReachFlags::apply(ReachOptions& to) const {
  if (!style.empty()) to.style = style == "english" ? ReachStyle::english : ReachStyle::symbols;
  if (labels > 0) to.labels = labels;
  to.graph = graph;
  if (!kind.empty()) to.graph.kind = kind == "random" ? GraphKind::random : GraphKind::prosqa;
  if (!balance.empty()) to.graph.balance_in_degree = balance == "true";
}

Json read_options_json(const std::string& text_or_file, const std::string& option) {
  const size_t begin = text_or_file.find_first_not_of(" \t\n");
  const bool text = begin != text_or_file.npos && text_or_file[begin] == '{';
  Json given =
      text ? parse_json_unique(text_or_file, "generator", "'" + option + "'") : read_json(text_or_file, "generator");
  require(given.is_object(), "generator", "expected an object of options but got ", given.type_name(), " in ",
          text_or_file);
  return given;
}

Json ReachFlags::generator_options(const Json& base) const {
  Json out = base.is_null() ? Json::object() : base;
  if (!generator.empty()) out.update(read_options_json(generator, "--generator"));
  return out;
}

void ReachFlags::reject_generator(const Options& options, std::string_view beside) {
  options.reject_given({"kind", "min-nodes", "max-nodes", "min-depth", "max-depth", "edges-per-node", "acyclic",
                        "balance-in-degree", "generator"},
                       beside);
}

void ReachFlags::check_source(const Options& options, ReachSource source, bool draws) const {
  if (source == ReachSource::other) {
    options.reject_useless({"style", "labels", "kind", "min-nodes", "max-nodes", "min-depth", "max-depth",
                            "edges-per-node", "acyclic", "balance-in-degree"},
                           "task reach; other tasks take '--generator'");
    return;
  }
  options.reject_useless({"generator"}, "a generated task other than reach");
  if (source == ReachSource::text) {
    const char* use = "problems that are generated or ProsQA's own file";
    options.reject_useless({"style", "labels"}, use);
    if (!draws) options.reject_useless({"seed"}, use);
  }
  if (source == ReachSource::generator && kind != "random")
    options.reject_useless({"edges-per-node", "acyclic"}, "kind random");
}

std::vector<std::string> ReachFlags::unread(const Options& options, ReachSource source, ReachStyle style, bool draws) {
  std::vector<std::string> out;
  if (source == ReachSource::other || style != ReachStyle::english) return out;
  if (options.given("labels")) out.push_back("labels");
  if (options.given("seed") && source == ReachSource::prosqa && !draws) out.push_back("seed");
  return out;
}

void ReachFlags::check(const Options& options, ReachSource source, ReachStyle style, bool draws) const {
  check_source(options, source, draws);
  for (const std::string& name : unread(options, source, style, draws))
    options.reject_useless({name}, "'--style symbols'");
}

ReachSource reach_source(const std::filesystem::path& path) {
  require_data_file(path, "read_file", "problems");
  std::ifstream file(path);
  char first = 0;
  file >> first;  // skips white space
  return file && first == '[' ? ReachSource::prosqa : ReachSource::text;
}

}  // namespace tacit
