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
  text,    // a file's text as it stands
  other,   // a generated task that is not reach
};

// An option's value: a JSON object, or the name of a file of one.
Json read_options_json(const std::string& text_or_file, const std::string& option);

// The options of a subcommand that generates problems, of reach or of another task, or renders reachability problems.
struct ReachFlags {
  std::string style, kind, balance;  // as given, "" = not given
  std::string generator;             // options of a generated task other than reach: JSON, or a file of it
  int64_t labels = 0;                // 0 = not given
  GraphOptions graph;

  void add_text(Options& options);       // --style, --labels
  void add_generator(Options& options);  // --kind, --min-nodes .., --generator
  void apply(ReachOptions& to) const;    // overwrites what was given; the graph options always
  // The options of another generated task: `base`, which may be null, with what --generator gives.
  Json generator_options(const Json& base) const;
  // UsageError when one of add_generator()'s is given, which has no meaning beside option `beside`.
  static void reject_generator(const Options& options, std::string_view beside);
  // UsageError when an option is given that does nothing to problems of this source, in whatever style. `draws`: the
  // seed does something besides.
  void check_source(const Options& options, ReachSource source, bool draws = false) const;
  // Those of --seed and --labels that are given and do nothing to problems of this source in this style.
  static std::vector<std::string> unread(const Options& options, ReachSource source, ReachStyle style,
                                         bool draws = false);
  // Both, where no checkpoint has a say in the style.
  void check(const Options& options, ReachSource source, ReachStyle style, bool draws = false) const;
};

// Of a file: ProsQA's JSON is a list.
ReachSource reach_source(const std::filesystem::path& path);

}  // namespace tacit
