#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/options.h"
#include "datasets/reach.h"

namespace tacit {

// The options of a subcommand that generates or renders reachability problems.
struct ReachFlags {
  std::string style, kind, balance;  // as given, "" = not given
  int64_t labels = 0;                // 0 = not given
  GraphOptions graph;

  void add_text(Options& options);       // --style, --labels
  void add_generator(Options& options);  // --kind, --min-nodes ..
  void apply(ReachOptions& to) const;    // overwrites what was given; the graph options always
};

// Examples of a file: ProsQA's JSON (rendered as asked) or JSON lines.
std::vector<Example> read_reach_file(const std::filesystem::path& path, const ReachOptions& options, uint64_t seed);

}  // namespace tacit
