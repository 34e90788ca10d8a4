#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tacit {

// A reachability question in the symbols of datasets/reach.h: "17 3 | 5 17 | 22 9 | [Q] 3 9 [R] 5".
// Nodes are numbered in order of first mention.
struct GraphQuestion {
  std::vector<std::string> words;  // word of node i
  std::vector<std::pair<int64_t, int64_t>> edges;
  std::array<int64_t, 2> candidates{};
  int64_t root = 0;
  std::vector<int64_t> distance;  // edges from the root to node i; -1 where there is no path

  int64_t node(std::string_view word) const;            // -1 when the question does not mention it
  std::vector<int64_t> successors(int64_t node) const;  // in the order of the edges
  bool has_edge(int64_t from, int64_t to) const;
  int64_t answer() const;                                 // the reachable candidate; -1 unless exactly one is
  std::vector<int64_t> at_distance(int64_t steps) const;  // in order of first mention
  std::string text() const;                               // in the model's own format
};

// Fails with `operation`, saying what of the format is missing or wrong. The last '|' may be left out.
GraphQuestion parse_graph_question(std::string_view text, std::string_view operation);

// Fails with `operation` on the first node of the question that is not one of the label words "0" .. "labels - 1".
void require_labels(const GraphQuestion& question, int64_t labels, std::string_view operation);

// Words between white space.
std::vector<std::string> split_words(std::string_view text);
std::string join_words(const std::vector<std::string>& words, std::string_view separator = " ");

}  // namespace tacit
