#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datasets/example.h"
#include "datasets/graph.h"

namespace tacit {

// The task `reach`: graph reachability as text.
//
// Symbols: edges `a b |` in random order, then the candidates in random order and the root, every node a label word:
//     17 3 | 5 17 | 22 9 | [Q] 3 9 [R] 5
// steps are the nodes of a shortest path ("17", "3"), the answer is the reachable candidate ("3").
// The labels are a random injection of nodes into 0..labels-1, so a label says nothing about the graph.
//
// English: ProsQA's sentences, "Every yumpus is a rempus. Tom is a yumpus. .. Is Tom a lempus or scrompus?", answer
// "Tom is a lempus.". Nodes without incoming edges are names while there are names, the candidates and all others
// invented concepts, both drawn at random. A root that has incoming edges is a concept: "Is every yumpus a lempus or
// scrompus?".
enum class ReachStyle { symbols, english };

inline constexpr int64_t kMostLabels = 1 << 16;

struct ReachOptions {
  GraphOptions graph;
  ReachStyle style = ReachStyle::symbols;
  int64_t labels = 32;  // label words of the symbols; graph.max_nodes to kMostLabels
};

// Example `index` of the endless data set named by `seed`: a pure function, the same on every machine.
// meta: {"graph": .., "labels": [label of node i], "candidates": [first, second as labels], "root": label,
//        "depth": distance of the target, "frontiers": [[labels at distance 1, ascending], ..]}
// Labels are strings: numbers in symbols, names and concepts in English. Edges stand in the order of the text (in
// English read_prosqa: of the file). Frontiers end with the last that has a node.
Example reach_example(const ReachOptions& options, uint64_t seed, int64_t index);

// Renders a given problem with labels, edge order and candidate order drawn from `rng`.
Example render_reach(const GraphProblem& problem, const ReachOptions& options, Rng& rng);

// A walk text for pretraining: the edges as above, then a random walk of `length` words on the graph (of the options'
// size and kind; their depths and balance concern the question only). A dead end restarts with `[R] node`,
// node drawn among those with outgoing edges:
//     17 3 | 5 17 | [R] 5 17 3 [R] 5 17 ...
// `targets[i]` tells whether word i of the walk can be predicted (follows a node by an edge) and is to be trained on.
//
// With `question` the walk explores a question, always from its root, and the answer is to be trained on as well:
//     17 3 | 5 17 | [Q] 3 9 [R] 5 17 3 [R] 5 17 ... [A] 3
// Without it a model would start its methods with marks that it has never read.
struct Walk {
  std::string edges;
  std::vector<std::string> words;
  std::vector<bool> targets;
};
Walk walk_example(const ReachOptions& options, uint64_t seed, int64_t index, int64_t length, bool question = false);

// Words of the symbol vocabulary in id order: labels "0".."labels-1", then "|", "[Q]", "[R]", "[A]", "[T]", "[P]", ";",
// "[E]". [A] asks for the answer, [T] opens a written chain of thought, [P] is the pause token, ';' ends a level, [E]
// ends the text.
std::vector<std::string> reach_vocabulary(int64_t labels);

// JSON lines (datasets/example.h) of this task. Fails, naming file and line, where an id comes again, the answer is
// empty or not the candidate that the root reaches, or meta.depth is not its distance.
std::vector<Example> read_reach_examples(const std::filesystem::path& path);

// ProsQA's JSON (facebookresearch/coconut data/prosqa_*.json), as its own English text or as symbols. Symbols are drawn
// from `seed` per item as in reach_example. Fails naming file, item and field; checks that the target is reachable and
// the other candidate is not.
std::vector<Example> read_prosqa(const std::filesystem::path& path, ReachStyle style, int64_t labels, uint64_t seed);

}  // namespace tacit
