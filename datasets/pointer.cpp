#include <algorithm>

#include "datasets/generators.h"

// The task `pointer`: from a node, follow pointers k times.
//     > > > 17 3 | 5 17 | 3 22 | 22 5 | [R] 5
// One '>' a hop, then every node with the node it points to, in random order, then the start. Hops are told in unary
// and first: no word belongs to one depth, so depths can be held out, and while it reads them a model cannot yet follow
// anything. Labels are a random injection of nodes into 0..labels-1. The nodes met are all different: kind
// `permutation` is a uniform permutation whose cycle through the start is longer than k, kind `function` a uniform
// function on whose path nothing comes again within k hops.

namespace tacit {
namespace {

struct PointerOptions {
  bool permutation = true;
  Range nodes{16, 16};
  Range depth{1, 6};    // hops
  int64_t labels = 32;  // label words
};

PointerOptions read_options(const JsonReader& in) {
  in.only({"kind", "nodes", "depth", "labels"});
  PointerOptions o;
  const std::string kind = in.string("kind", "permutation");
  if (kind != "permutation" && kind != "function") in.reject("kind", "to be permutation or function");
  o.permutation = kind == "permutation";
  o.labels = integer_or(in, "labels", o.labels, 2, kMostLabels);
  o.nodes = read_range(in, "nodes", o.nodes, 2, o.labels);
  if (o.nodes.high > o.labels)
    in.reject("labels", "to be at least the number of nodes, " + std::to_string(o.nodes.high));
  o.depth = read_range(in, "depth", o.depth, 1, o.nodes.low - 1);
  if (o.depth.high >= o.nodes.low) {
    in.reject("depth", "to be below the least number of nodes, " + std::to_string(o.nodes.low));
  }
  return o;
}

// next[order[0]] = order[1] and so on for `hops` steps.
std::vector<int64_t> draw_pointers(const PointerOptions& o, const std::vector<int64_t>& order, int64_t hops, Rng& rng) {
  const int64_t nodes = std::ssize(order);
  std::vector<int64_t> next(nodes);
  if (!o.permutation) {
    for (int64_t i = 0; i < nodes; ++i) next[order[i]] = i < hops ? order[i + 1] : rng.below(nodes);
    return next;
  }
  // The length of a uniform permutation's cycle through a given node is uniform over 1..nodes.
  const int64_t cycle = rng.between(hops + 1, nodes);
  for (int64_t i = 0; i < cycle; ++i) next[order[i]] = order[(i + 1) % cycle];
  const std::vector<int64_t> rest = rng.permutation(nodes - cycle);
  for (int64_t i = cycle; i < nodes; ++i) next[order[i]] = order[cycle + rest[i - cycle]];
  return next;
}

Example make(const PointerOptions& o, uint64_t seed, int64_t index) {
  Example example = named_example("pointer", seed, index);
  Rng rng = example_rng(seed, index, kPointerStream);
  const int64_t nodes = rng.between(o.nodes.low, o.nodes.high), hops = rng.between(o.depth.low, o.depth.high);
  const std::vector<int64_t> label = rng.permutation(o.labels);  // of node i
  const std::vector<int64_t> order = rng.permutation(nodes);
  const std::vector<int64_t> next = draw_pointers(o, order, hops, rng);
  const auto word = [&](int64_t node) { return std::to_string(label[node]); };
  for (int64_t i = 0; i < hops; ++i) example.question += "> ";
  for (const int64_t node : rng.permutation(nodes)) example.question += word(node) + " " + word(next[node]) + " | ";
  example.question += "[R] " + word(order[0]);
  for (int64_t i = 1; i <= hops; ++i) example.steps.push_back(word(order[i]));
  example.answer = example.steps.back();
  example.meta["depth"] = hops;
  return example;
}

// What stands beside `word` in the pairs of the text: behind it, or before it.
std::string beside(const Example& example, bool behind) {
  const std::vector<std::string> words = split_words(example.question);
  const std::string& start = words.back();
  for (size_t i = std::ranges::count(words, ">"); i + 2 < words.size() - 2; i += 3) {
    if (words[i + (behind ? 0 : 1)] == start) return words[i + (behind ? 1 : 0)];
  }
  return "";
}

Generator open(const JsonReader& in) {
  const PointerOptions o = read_options(in);
  std::vector<std::string> words = number_words(o.labels);
  for (const char* word : {">", "|", "[R]"}) words.emplace_back(word);
  return {.options = {{"kind", o.permutation ? "permutation" : "function"},
                      {"nodes", to_json(o.nodes)},
                      {"depth", to_json(o.depth)},
                      {"labels", o.labels}},
          .vocabulary = with_marks(words),
          .example = [o](uint64_t seed, int64_t index) { return make(o, seed, index); },
          .max_words = o.depth.high};
}

}  // namespace

GeneratedTask pointer_task() {
  return {.name = "pointer",
          .summary = "pointer chasing: the node after k hops along a random permutation or function",
          .open = open,
          .rules = {{"one hop", "the node that the start points to", [](const Example& e) { return beside(e, true); }},
                    {"backwards", "a node that points to the start", [](const Example& e) { return beside(e, false); }},
                    {"mentioned last", "the last node that is pointed to", [](const Example& e) {
                       const std::vector<std::string> words = split_words(e.question);
                       return words.at(words.size() - 4);
                     }}}};
}

}  // namespace tacit
