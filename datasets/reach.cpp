#include "datasets/reach.h"

#include <algorithm>
#include <numeric>

#include "datasets/graph_internal.h"
#include "datasets/reach_text.h"
#include "datasets/reach_words.h"
#include "lib/core/error.h"

namespace tacit {

void check_reach_options(const ReachOptions& options, const char* operation) {
  if (options.style == ReachStyle::symbols) {
    require(options.labels >= options.graph.max_nodes && options.labels <= kMostLabels, operation, "expected ",
            options.graph.max_nodes, " labels (graph.max_nodes) to ", kMostLabels, " but got ", options.labels);
  } else {
    require(options.graph.max_nodes <= std::ssize(concept_words()), operation, "expected at most ",
            concept_words().size(), " nodes in English but got graph.max_nodes ", options.graph.max_nodes);
  }
}

std::vector<int64_t> draw_labels(int64_t nodes, int64_t labels, Rng& rng) {
  std::vector<int64_t> label = rng.permutation(labels);
  label.resize(nodes);
  return label;
}

std::string symbol_edges(const std::vector<std::pair<int64_t, int64_t>>& edges, const std::vector<int64_t>& label) {
  std::string text;
  text.reserve(edges.size() * 8);
  for (const auto& [from, to] : edges) {
    if (!text.empty()) text += ' ';
    text.append(std::to_string(label[from])).append(" ").append(std::to_string(label[to])).append(" |");
  }
  return text;
}

std::vector<int64_t> alphabetical(const std::vector<std::string>& words) {
  std::vector<int64_t> sorted(words.size()), place(words.size());
  std::iota(sorted.begin(), sorted.end(), 0);
  std::sort(sorted.begin(), sorted.end(), [&](int64_t a, int64_t b) { return words[a] < words[b]; });
  for (size_t i = 0; i < sorted.size(); ++i) place[sorted[i]] = static_cast<int64_t>(i);
  return place;
}

OrderedJson reach_meta(const GraphProblem& problem, const std::vector<std::string>& words,
                       const std::vector<int64_t>& order, bool target_first) {
  const std::vector<int64_t> distance = distances(problem);
  std::vector<std::vector<int64_t>> levels(*std::max_element(distance.begin(), distance.end()));
  for (int64_t node = 0; node < problem.nodes; ++node) {
    if (distance[node] >= 1) levels[distance[node] - 1].push_back(node);
  }
  OrderedJson frontier_list = OrderedJson::array();
  for (auto& level : levels) {
    std::sort(level.begin(), level.end(), [&](int64_t a, int64_t b) { return order[a] < order[b]; });
    OrderedJson::array_t names;
    names.reserve(level.size());
    for (const int64_t node : level) names.emplace_back(words[node]);
    frontier_list.emplace_back(std::move(names));
  }
  const int64_t first = target_first ? problem.target : problem.neg_target;
  const int64_t second = target_first ? problem.neg_target : problem.target;
  OrderedJson meta = OrderedJson::object();
  meta["graph"] = to_json(problem);
  meta["labels"] = words;
  meta["candidates"] = OrderedJson::array_t{words[first], words[second]};
  meta["root"] = words[problem.root];
  meta["depth"] = distance[problem.target];
  meta["frontiers"] = std::move(frontier_list);
  return meta;
}

namespace {

// Everything that a rendering draws besides the words. `problem` has its edges in the order of the text.
struct Layout {
  GraphProblem problem;
  std::vector<int64_t> path;
  bool target_first;
  int64_t first() const { return target_first ? problem.target : problem.neg_target; }
  int64_t second() const { return target_first ? problem.neg_target : problem.target; }
};

Layout draw_layout(const GraphProblem& problem, Rng& rng) {
  Layout layout{problem, {}, true};
  rng.shuffle(layout.problem.edges);
  layout.target_first = rng.below(2) == 0;
  layout.path = shortest_path(problem, rng);
  return layout;
}

Example render_symbols(const Layout& layout, const std::vector<int64_t>& label) {
  std::vector<std::string> words;
  words.reserve(label.size());
  for (const int64_t value : label) words.push_back(std::to_string(value));
  const GraphProblem& problem = layout.problem;
  Example example;
  example.question = symbol_edges(problem.edges, label);
  example.question.append(" [Q] ").append(words[layout.first()]).append(" ").append(words[layout.second()]);
  example.question.append(" [R] ").append(words[problem.root]);
  for (const int64_t node : layout.path) example.steps.push_back(words[node]);
  example.answer = words[problem.target];
  example.meta = reach_meta(problem, words, label, layout.target_first);
  return example;
}

// Nodes without incoming edges are names while names last, the root first; all others are concepts.
std::vector<std::string> draw_english_words(const GraphProblem& problem, Rng& rng) {
  std::vector<uint8_t> is_concept(problem.nodes, 0);
  for (const auto& edge : problem.edges) is_concept[edge.second] = 1;
  is_concept[problem.target] = is_concept[problem.neg_target] = 1;
  const std::vector<int64_t> concepts = rng.permutation(std::ssize(concept_words()));
  const std::vector<int64_t> names = rng.permutation(std::ssize(first_names()));
  std::vector<std::string> words(problem.nodes);
  size_t next_concept = 0, next_name = 0;
  const auto name_node = [&](int64_t node) {
    if (!words[node].empty()) return;
    const bool named = !is_concept[node] && next_name < names.size();
    words[node] = named ? first_names()[names[next_name++]] : concept_words()[concepts[next_concept++]];
  };
  name_node(problem.root);
  for (int64_t node = 0; node < problem.nodes; ++node) name_node(node);
  return words;
}

bool is_name(const std::string& word) { return word[0] >= 'A' && word[0] <= 'Z'; }

// "Tom" or "Every yumpus"
std::string subject(const std::string& word) { return is_name(word) ? word : "Every " + word; }

std::string sentence(const std::string& from, const std::string& to) { return subject(from) + " is a " + to + "."; }

Example render_english(const Layout& layout, const std::vector<std::string>& words) {
  const GraphProblem& problem = layout.problem;
  Example example;
  example.question.reserve(problem.edges.size() * 32);
  for (const auto& [from, to] : problem.edges) example.question.append(sentence(words[from], words[to])).append(" ");
  const std::string& root = words[problem.root];
  example.question.append(is_name(root) ? "Is " : "Is every ").append(root).append(" a ");
  example.question.append(words[layout.first()]).append(" or ").append(words[layout.second()]).append("?");
  int64_t from = problem.root;
  for (const int64_t to : layout.path) {
    example.steps.push_back(sentence(words[from], words[to]));
    from = to;
  }
  example.answer = sentence(root, words[problem.target]);
  example.meta = reach_meta(problem, words, alphabetical(words), layout.target_first);
  return example;
}

Example render(const GraphProblem& problem, const ReachOptions& options, Rng& rng) {
  if (options.style == ReachStyle::english) {
    const std::vector<std::string> words = draw_english_words(problem, rng);
    return render_english(draw_layout(problem, rng), words);
  }
  const std::vector<int64_t> label = draw_labels(problem.nodes, options.labels, rng);
  return render_symbols(draw_layout(problem, rng), label);
}

}  // namespace

Example render_reach(const GraphProblem& problem, const ReachOptions& options, Rng& rng) {
  const bool symbols = options.style == ReachStyle::symbols;
  const int64_t most = symbols ? options.labels : std::ssize(concept_words());
  require(problem.nodes <= most, "render_reach", "expected at most ", most, " nodes (the ",
          symbols ? "labels" : "concept words", ") but got ", problem.nodes);
  if (const auto fault = find_fault(problem)) {
    fail("render_reach", "expected '", fault->field, "' ", fault->expectation, " but got ", fault->got);
  }
  return render(problem, options, rng);
}

Example reach_example(const ReachOptions& options, uint64_t seed, int64_t index) {
  check_reach_options(options, "reach_example");
  require(index >= 0, "reach_example", "expected an index of at least 0 but got ", index);
  Rng rng(seed, static_cast<uint64_t>(index), kExampleStream);
  Example example = render(generate_graph(options.graph, rng), options, rng);
  example.id = "reach-" + std::to_string(seed) + "/" + std::to_string(index);
  return example;
}

std::vector<std::string> reach_vocabulary(int64_t labels) {
  require(labels >= 1 && labels <= kMostLabels, "reach_vocabulary", "expected 1 to ", kMostLabels, " labels but got ",
          labels);
  std::vector<std::string> words;
  for (int64_t label = 0; label < labels; ++label) words.push_back(std::to_string(label));
  for (const char* mark : {"|", "[Q]", "[R]", "[A]", "[T]", "[P]", ";", "[E]"}) words.emplace_back(mark);
  return words;
}

}  // namespace tacit
