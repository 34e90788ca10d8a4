#include "datasets/audit.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "datasets/graph.h"
#include "datasets/reach_text.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// What a rule may look at: one of the two candidates. A rule prefers the candidate with the larger value.
struct Candidate {
  int64_t in_degree = 0, out_degree = 0;
  int64_t mention = 0;            // place of its first word in the text
  int64_t label = 0;              // its number, or its place in alphabetical order
  int64_t shared_neighbours = 0;  // nodes that an edge, in either direction, joins to both it and the root
  bool first = false;             // listed first
};

struct Rule {
  const char* name;
  const char* text;
  int64_t (*value)(const Candidate&);
};

constexpr Rule kRules[] = {
    {"lower in-degree", "the candidate that fewer edges lead to", [](const Candidate& c) { return -c.in_degree; }},
    {"higher in-degree", "the candidate that more edges lead to", [](const Candidate& c) { return c.in_degree; }},
    {"lower out-degree", "the candidate that fewer edges leave", [](const Candidate& c) { return -c.out_degree; }},
    {"higher out-degree", "the candidate that more edges leave", [](const Candidate& c) { return c.out_degree; }},
    {"first candidate", "the candidate that the question lists first",
     [](const Candidate& c) -> int64_t { return c.first; }},
    {"mentioned last", "the candidate whose first mention among the edges comes later",
     [](const Candidate& c) { return c.mention; }},
    {"lower label", "the candidate with the lower number, or the earlier word in the alphabet",
     [](const Candidate& c) { return -c.label; }},
    {"shares a neighbour", "the candidate with more neighbours in common with the root, whichever way the edges point",
     [](const Candidate& c) { return c.shared_neighbours; }},
};

bool is_word_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}

// Where `word` first stands in `text` as a whole word; the size of `text` when it does not.
int64_t first_mention(std::string_view text, std::string_view word) {
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool begins = at == 0 || !is_word_character(text[at - 1]);
    if (begins && (end == text.size() || !is_word_character(text[end]))) return static_cast<int64_t>(at);
  }
  return static_cast<int64_t>(text.size());
}

bool label_less(const std::string& a, const std::string& b) {
  const auto digits = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (digits(a) && digits(b) && a.size() != b.size()) return a.size() < b.size();
  return a < b;
}

int64_t count_shared_neighbours(const GraphProblem& problem, int64_t node) {
  std::set<int64_t> of_root, of_node;
  for (const auto& [from, to] : problem.edges) {
    if (from == problem.root) of_root.insert(to);
    if (to == problem.root) of_root.insert(from);
    if (from == node) of_node.insert(to);
    if (to == node) of_node.insert(from);
  }
  return std::count_if(of_node.begin(), of_node.end(), [&](int64_t other) { return of_root.contains(other); });
}

// Target first, then the other one, whatever the question's order.
std::array<Candidate, 2> describe(const ReachMeta& item, const std::string& question) {
  const int64_t nodes[] = {item.problem.target, item.problem.neg_target};
  std::array<Candidate, 2> described;
  for (int i = 0; i < 2; ++i) {
    Candidate& candidate = described[i];
    candidate.first = (i == 0) == item.target_first;
    const std::string& label = item.candidates[candidate.first ? 0 : 1];
    const std::string& other = item.candidates[candidate.first ? 1 : 0];
    candidate.label = label_less(other, label);
    candidate.mention = first_mention(question, label);
    candidate.shared_neighbours = count_shared_neighbours(item.problem, nodes[i]);
    for (const auto& [from, to] : item.problem.edges) {
      candidate.out_degree += from == nodes[i];
      candidate.in_degree += to == nodes[i];
    }
  }
  return described;
}

}  // namespace

Audit audit_reach(const std::vector<Example>& examples) {
  Audit audit;
  audit.examples = std::ssize(examples);
  require(audit.examples > 0, "audit_reach", "expected at least 1 example but got none");
  for (const Rule& rule : kRules) audit.heuristics.push_back({rule.name, rule.text, 0, 0});
  std::vector<int64_t> halves(std::size(kRules), 0);  // twice the score, which keeps ties exact
  std::vector<int64_t> frontier_sum;
  std::map<int64_t, int64_t> depth_counts;
  std::set<std::string_view> questions;
  int64_t node_sum = 0, edge_sum = 0;
  for (const Example& example : examples) {
    const ReachMeta item = read_reach_meta(example, "audit_reach", "example " + example.id);
    const int64_t nodes = item.problem.nodes, edges = std::ssize(item.problem.edges);
    const bool first = &example == &examples.front();
    audit.min_nodes = first ? nodes : std::min(audit.min_nodes, nodes);
    audit.max_nodes = std::max(audit.max_nodes, nodes);
    audit.min_edges = first ? edges : std::min(audit.min_edges, edges);
    audit.max_edges = std::max(audit.max_edges, edges);
    node_sum += nodes;
    edge_sum += edges;
    audit.duplicates += !questions.insert(example.question).second;

    const std::vector<int64_t> distance = distances(item.problem);
    ++depth_counts[distance[item.problem.target]];
    for (const int64_t depth : distance) {
      if (depth < 1) continue;
      if (depth > std::ssize(frontier_sum)) frontier_sum.resize(depth, 0);
      ++frontier_sum[depth - 1];
    }
    const auto [target, negative] = describe(item, example.question);
    for (size_t i = 0; i < std::size(kRules); ++i) {
      const int64_t lead = kRules[i].value(target) - kRules[i].value(negative);
      halves[i] += lead > 0 ? 2 : lead == 0 ? 1 : 0;
      audit.heuristics[i].decided += lead != 0;
    }
  }
  const double count = static_cast<double>(audit.examples);
  for (size_t i = 0; i < halves.size(); ++i) {
    audit.heuristics[i].accuracy = static_cast<double>(halves[i]) / (2 * count);
  }
  for (const int64_t sum : frontier_sum) audit.mean_frontier.push_back(static_cast<double>(sum) / count);
  audit.depth_counts.assign(depth_counts.begin(), depth_counts.end());
  audit.mean_nodes = static_cast<double>(node_sum) / count;
  audit.mean_edges = static_cast<double>(edge_sum) / count;
  return audit;
}

OrderedJson to_json(const Audit& audit) {
  OrderedJson json = OrderedJson::object();
  json["examples"] = audit.examples;
  json["duplicates"] = audit.duplicates;
  json["depths"] = OrderedJson::array();
  for (const auto& [depth, examples] : audit.depth_counts) {
    json["depths"].push_back({{"depth", depth}, {"examples", examples}});
  }
  json["nodes"] = {{"mean", audit.mean_nodes}, {"min", audit.min_nodes}, {"max", audit.max_nodes}};
  json["edges"] = {{"mean", audit.mean_edges}, {"min", audit.min_edges}, {"max", audit.max_edges}};
  json["mean_frontier"] = audit.mean_frontier;
  json["heuristics"] = OrderedJson::array();
  for (const Heuristic& heuristic : audit.heuristics) {
    json["heuristics"].push_back({{"name", heuristic.name},
                                  {"rule", heuristic.rule},
                                  {"accuracy", heuristic.accuracy},
                                  {"decided", heuristic.decided}});
  }
  return json;
}

}  // namespace tacit
