#include "datasets/generators.h"
#include "datasets/reach_text.h"

namespace tacit {
namespace {

// What `kind` does not read is refused: a recipe must not say what is not done.
void refuse_foreign(const JsonReader& in, GraphKind kind) {
  for (const char* field : {"edges_per_node", "acyclic"}) {
    if (kind != GraphKind::random && in.has(field)) in.reject(field, "to be absent: it belongs to kind random");
  }
}

Generator open(const JsonReader& in) {
  const ReachOptions options = read_reach_options(in, {});
  check_reach_options(options, "reach");
  const bool symbols = options.style == ReachStyle::symbols;
  return {.options = to_json(options),
          .vocabulary = symbols ? reach_vocabulary(options.labels) : std::vector<std::string>(),
          .example = [options](uint64_t seed, int64_t index) { return reach_example(options, seed, index); },
          .max_words = options.graph.max_nodes + options.graph.max_depth + 1};
}

}  // namespace

ReachOptions read_reach_options(const JsonReader& in, const ReachOptions& fallback) {
  ReachOptions r = fallback;
  in.only({"kind", "min_nodes", "max_nodes", "edges_per_node", "min_depth", "max_depth", "acyclic", "balance_in_degree",
           "style", "labels"});
  const std::string kind = in.string("kind", r.graph.kind == GraphKind::prosqa ? "prosqa" : "random");
  if (kind != "prosqa" && kind != "random") in.reject("kind", "to be prosqa or random");
  r.graph.kind = kind == "prosqa" ? GraphKind::prosqa : GraphKind::random;
  refuse_foreign(in, r.graph.kind);
  r.graph.min_nodes = in.integer("min_nodes", r.graph.min_nodes);
  r.graph.max_nodes = in.integer("max_nodes", r.graph.max_nodes);
  r.graph.edges_per_node = in.number("edges_per_node", r.graph.edges_per_node);
  r.graph.min_depth = in.integer("min_depth", r.graph.min_depth);
  r.graph.max_depth = in.integer("max_depth", r.graph.max_depth);
  r.graph.acyclic = in.boolean("acyclic", r.graph.acyclic);
  r.graph.balance_in_degree = in.boolean("balance_in_degree", r.graph.balance_in_degree);
  const std::string style = in.string("style", r.style == ReachStyle::symbols ? "symbols" : "english");
  if (style != "symbols" && style != "english") in.reject("style", "to be symbols or english");
  r.style = style == "symbols" ? ReachStyle::symbols : ReachStyle::english;
  r.labels = integer_or(in, "labels", r.labels, 2, kMostLabels);
  return r;
}

OrderedJson to_json(const ReachOptions& options) {
  const GraphOptions& g = options.graph;
  OrderedJson out = {{"kind", g.kind == GraphKind::prosqa ? "prosqa" : "random"},
                     {"min_nodes", g.min_nodes},
                     {"max_nodes", g.max_nodes}};
  if (g.kind == GraphKind::random) out.update({{"edges_per_node", g.edges_per_node}, {"acyclic", g.acyclic}});
  out.update({{"min_depth", g.min_depth}, {"max_depth", g.max_depth}, {"balance_in_degree", g.balance_in_degree}});
  const bool symbols = options.style == ReachStyle::symbols;
  out.update({{"style", symbols ? "symbols" : "english"}});
  if (symbols) out["labels"] = options.labels;
  return out;
}

GeneratedTask reach_task() {
  return {.name = "reach",
          .summary = "which of two nodes of a graph can be reached from the root; generated, or from JSON lines",
          .open = open,
          .rules = {}};
}

}  // namespace tacit
