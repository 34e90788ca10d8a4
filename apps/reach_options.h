#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "apps/options.h"
#include "datasets/reach.h"

namespace tacit {

// Where reachability problems come from, which decides what options can say about them.
enum class ReachSource {
  generator,
  prosqa,  // ProsQA's JSON, told in a style
  text,    // JSON lines, as they stand
};

// The options of a subcommand that generates or renders reachability problems.
struct ReachFlags {
  std::string style, kind, balance;  // as given, "" = not given
  int64_t labels = 0;                // 0 = not given
  GraphOptions graph;

  void add_text(Options& options);       // --style, --labels
  void add_generator(Options& options);  // --kind, --min-nodes ..
  void apply(ReachOptions& to) const;    // overwrites what was given; the graph options always
  // UsageError when one of add_generator()'s is given, which has no meaning beside option `beside`.
  static void reject_generator(const Options& options, std::string_view beside);
  // UsageError when an option is given that does nothing to problems of this source and style.
  void check(const Options& options, ReachSource source, ReachStyle style) const;
};

// Of a file: ProsQA's JSON is a list.
ReachSource reach_source(const std::filesystem::path& path);

// Examples of a file: ProsQA's JSON (rendered as asked) or JSON lines.
std::vector<Example> read_reach_file(const std::filesystem::path& path, const ReachOptions& options, uint64_t seed);

}  // namespace tacit
