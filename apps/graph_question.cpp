#include "apps/graph_question.h"

#include <algorithm>
#include <charconv>

#include "datasets/graph.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr std::string_view kShape = "'a b | c d | [Q] x y [R] root'";

int64_t add_node(GraphQuestion& question, const std::string& word) {
  const int64_t known = question.node(word);
  if (known >= 0) return known;
  question.words.push_back(word);
  return std::ssize(question.words) - 1;
}

// Two nodes and then '|', again and again; the last '|' may be missing.
void parse_edges(GraphQuestion& question, const std::vector<std::string>& words, std::string_view operation) {
  std::vector<std::string> edge;
  const auto finish = [&] {
    require(edge.size() == 2, operation, "expected two nodes in edge ", question.edges.size() + 1, " but got '",
            join_words(edge), "'");
    const int64_t from = add_node(question, edge[0]), to = add_node(question, edge[1]);
    question.edges.emplace_back(from, to);
    edge.clear();
  };
  for (const std::string& word : words) {
    if (word == "|") {
      finish();
    } else {
      edge.push_back(word);
    }
  }
  if (!edge.empty()) finish();
  require(!question.edges.empty(), operation, "expected ", kShape, " but got no edges");
}

}  // namespace

std::vector<std::string> split_words(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  std::vector<std::string> words;
  size_t begin = text.find_first_not_of(kSpace);
  while (begin != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(kSpace, begin), text.size());
    words.emplace_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kSpace, end);
  }
  return words;
}

std::string join_words(const std::vector<std::string>& words, std::string_view separator) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += separator;
    text += words[i];
  }
  return text;
}

int64_t GraphQuestion::node(std::string_view word) const {
  const auto found = std::find(words.begin(), words.end(), word);
  return found == words.end() ? -1 : found - words.begin();
}

std::vector<int64_t> GraphQuestion::successors(int64_t node) const {
  std::vector<int64_t> out;
  for (const auto& [from, to] : edges) {
    if (from == node) out.push_back(to);
  }
  return out;
}

bool GraphQuestion::has_edge(int64_t from, int64_t to) const {
  return std::find(edges.begin(), edges.end(), std::pair(from, to)) != edges.end();
}

int64_t GraphQuestion::answer() const {
  const bool first = distance[candidates[0]] >= 0, second = distance[candidates[1]] >= 0;
  if (first == second) return -1;
  return candidates[first ? 0 : 1];
}

std::vector<int64_t> GraphQuestion::at_distance(int64_t steps) const {
  std::vector<int64_t> nodes;
  for (int64_t i = 0; i < std::ssize(distance); ++i) {
    if (distance[i] == steps) nodes.push_back(i);
  }
  return nodes;
}

std::string GraphQuestion::text() const {
  std::string out;
  for (const auto& [from, to] : edges) out.append(words[from]).append(" ").append(words[to]).append(" | ");
  out.append("[Q] ").append(words[candidates[0]]).append(" ").append(words[candidates[1]]);
  return out.append(" [R] ").append(words[root]);
}

GraphQuestion parse_graph_question(std::string_view text, std::string_view operation) {
  const std::vector<std::string> words = split_words(text);
  const auto mark = [&](std::string_view name) {
    const auto count = std::count(words.begin(), words.end(), name);
    require(count > 0 || text.find(name) == std::string_view::npos, operation, "expected ", kShape, " with '", name,
            "' alone between spaces but it touches another word");
    require(count == 1, operation, "expected ", kShape, " with one '", name, "' but got ", count);
    return std::find(words.begin(), words.end(), name);
  };
  const auto query = mark("[Q]"), root = mark("[R]");
  require(root > query, operation, "expected '[Q]' before '[R]' as in ", kShape);
  GraphQuestion question;
  parse_edges(question, {words.begin(), query}, operation);
  require(root - query == 3, operation, "expected two candidates between '[Q]' and '[R]' but got ", root - query - 1);
  require(words.end() - root == 2, operation, "expected one root after '[R]' but got ", words.end() - root - 1,
          " words");
  question.candidates = {add_node(question, query[1]), add_node(question, query[2])};
  require(question.candidates[0] != question.candidates[1], operation, "expected two different candidates but got '",
          query[1], "' twice");
  question.root = add_node(question, root[1]);
  question.distance = distances({.nodes = std::ssize(question.words), .edges = question.edges, .root = question.root});
  return question;
}

void require_labels(const GraphQuestion& question, int64_t labels, std::string_view operation) {
  for (const std::string& word : question.words) {
    int64_t value = -1;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    const bool number = error == std::errc() && end == word.data() + word.size() && std::to_string(value) == word;
    require(number && value >= 0 && value < labels, operation, "expected a node of the vocabulary, 0 to ", labels - 1,
            ", but got '", word, "'");
  }
}

}  // namespace tacit
