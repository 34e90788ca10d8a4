#include "datasets/graph.h"

#include <algorithm>

#include "datasets/graph_internal.h"
#include "lib/core/error.h"

namespace tacit {

Adjacency adjacency(const GraphProblem& problem, Direction direction) {
  const bool forward = direction == Direction::forward;
  Adjacency graph;
  graph.first.assign(problem.nodes + 1, 0);
  for (const auto& [from, to] : problem.edges) {
    if (from < 0 || to < 0 || from >= problem.nodes || to >= problem.nodes) {
      fail("adjacency", "expected edges between nodes 0 to ", problem.nodes - 1, " but got [", from, ", ", to, "]");
    }
    ++graph.first[(forward ? from : to) + 1];
  }
  for (int64_t node = 0; node < problem.nodes; ++node) graph.first[node + 1] += graph.first[node];
  std::vector<int64_t> next(graph.first.begin(), graph.first.end() - 1);
  graph.neighbours.resize(problem.edges.size());
  for (const auto& [from, to] : problem.edges) graph.neighbours[next[forward ? from : to]++] = forward ? to : from;
  return graph;
}

std::vector<int64_t> breadth_first(const Adjacency& graph, int64_t start) {
  const int64_t nodes = static_cast<int64_t>(graph.first.size()) - 1;
  if (start < 0 || start >= nodes) fail("breadth_first", "expected a start in 0 to ", nodes - 1, " but got ", start);
  std::vector<int64_t> distance(nodes, -1);
  std::vector<int64_t> queue = {start};
  queue.reserve(nodes);
  distance[start] = 0;
  for (size_t head = 0; head < queue.size(); ++head) {
    const int64_t node = queue[head];
    for (int64_t i = graph.first[node]; i < graph.first[node + 1]; ++i) {
      const int64_t next = graph.neighbours[i];
      if (distance[next] >= 0) continue;
      distance[next] = distance[node] + 1;
      queue.push_back(next);
    }
  }
  return distance;
}

std::vector<int64_t> distances(const GraphProblem& problem) { return breadth_first(adjacency(problem), problem.root); }

std::vector<std::vector<int64_t>> frontiers(const GraphProblem& problem, int64_t max_depth) {
  std::vector<std::vector<int64_t>> levels(std::max<int64_t>(max_depth, 0));
  const std::vector<int64_t> distance = distances(problem);
  for (int64_t node = 0; node < problem.nodes; ++node) {
    if (distance[node] >= 1 && distance[node] <= max_depth) levels[distance[node] - 1].push_back(node);
  }
  return levels;
}

std::vector<int64_t> shortest_path(const GraphProblem& problem, Rng& rng) {
  const Adjacency graph = adjacency(problem);
  const std::vector<int64_t> remaining = breadth_first(adjacency(problem, Direction::backward), problem.target);
  if (problem.root < 0 || problem.root >= problem.nodes || remaining[problem.root] < 0) {
    fail("shortest_path", "expected a target that can be reached from root ", problem.root, " but got node ",
         problem.target);
  }
  std::vector<int64_t> path, choices;
  for (int64_t node = problem.root; node != problem.target; node = path.back()) {
    choices.clear();
    for (int64_t i = graph.first[node]; i < graph.first[node + 1]; ++i) {
      const int64_t next = graph.neighbours[i];
      if (remaining[next] == remaining[node] - 1) choices.push_back(next);
    }
    path.push_back(rng.choice(choices));
  }
  return path;
}

OrderedJson to_json(const GraphProblem& problem) {
  OrderedJson edges = OrderedJson::array();
  auto& list = edges.get_ref<OrderedJson::array_t&>();
  list.reserve(problem.edges.size());
  for (const auto& [from, to] : problem.edges) list.emplace_back(OrderedJson::array_t{from, to});
  OrderedJson json = OrderedJson::object();
  json["nodes"] = problem.nodes;
  json["edges"] = std::move(edges);
  json["root"] = problem.root;
  json["target"] = problem.target;
  json["neg_target"] = problem.neg_target;
  return json;
}

std::optional<std::vector<std::pair<int64_t, int64_t>>> edges_from_json(const Json& json) {
  if (!json.is_array()) return std::nullopt;
  std::vector<std::pair<int64_t, int64_t>> edges;
  edges.reserve(json.size());
  for (const Json& edge : json) {
    const bool pair = edge.is_array() && edge.size() == 2 && edge[0].is_number_integer() && edge[1].is_number_integer();
    if (!pair) return std::nullopt;
    edges.emplace_back(edge[0].get<int64_t>(), edge[1].get<int64_t>());
  }
  return edges;
}

namespace {

std::string pair_text(const std::pair<int64_t, int64_t>& edge) {
  return "[" + std::to_string(edge.first) + ", " + std::to_string(edge.second) + "]";
}

std::optional<GraphFault> find_edge_fault(const GraphProblem& problem) {
  const std::string last = std::to_string(problem.nodes - 1);
  for (const auto& edge : problem.edges) {
    const auto [from, to] = edge;
    if (from < 0 || to < 0 || from >= problem.nodes || to >= problem.nodes) {
      return GraphFault{"edges", "to join nodes 0 to " + last, pair_text(edge)};
    }
    if (from == to) return GraphFault{"edges", "to join different nodes", pair_text(edge)};
  }
  auto sorted = problem.edges;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) return GraphFault{"edges", "to hold every edge once", pair_text(*twice) + " again"};
  return std::nullopt;
}

}  // namespace

std::optional<GraphFault> find_fault(const GraphProblem& problem) {
  if (auto fault = find_edge_fault(problem)) return fault;
  const std::pair<std::string_view, int64_t> named[] = {
      {"root", problem.root}, {"target", problem.target}, {"neg_target", problem.neg_target}};
  for (const auto& [field, node] : named) {
    if (node < 0 || node >= problem.nodes) {
      return GraphFault{field, "to be a node in 0 to " + std::to_string(problem.nodes - 1), std::to_string(node)};
    }
  }
  const std::string root = " from root " + std::to_string(problem.root);
  const std::vector<int64_t> distance = distances(problem);
  if (distance[problem.target] < 1) {
    return GraphFault{"target", "to be reachable" + root, std::to_string(problem.target)};
  }
  if (distance[problem.neg_target] >= 0) {
    return GraphFault{
        "neg_target", "to be out of reach" + root,
        std::to_string(problem.neg_target) + " at distance " + std::to_string(distance[problem.neg_target])};
  }
  return std::nullopt;
}

GraphProblem graph_from_json(const Json& json, const std::string& operation, const std::string& source) {
  constexpr int64_t kMostNodes = 1'000'000;
  JsonReader reader(json, operation, source);
  GraphProblem problem;
  problem.nodes = reader.integer_in("nodes", 2, kMostNodes);
  auto edges = reader.has("edges") ? edges_from_json(reader.json().at("edges")) : std::nullopt;
  if (!edges) reader.reject("edges", "to be a list of pairs [from, to]");
  problem.edges = std::move(*edges);
  problem.root = reader.integer("root");
  problem.target = reader.integer("target");
  problem.neg_target = reader.integer("neg_target");
  if (const auto fault = find_fault(problem)) {
    fail(operation, "expected '", fault->field, "' ", fault->expectation, " but got ", fault->got, " in ", source);
  }
  return problem;
}

}  // namespace tacit
