#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/eval_options.h"
#include "latent/halt_rule.h"
#include "latent/intervention.h"

namespace tacit {

// "DIR", or "NAME=DIR,DIR": folders that make one row.
struct RowArgument {
  std::string name;
  std::vector<std::filesystem::path> folders;
};
RowArgument parse_row(const Options& options, const std::string& option, const std::string& text);

// What `tacit compare` is asked for.
struct CompareFlags {
  EvalFlags eval;
  std::vector<std::string> model_texts, run_texts, methods;
  std::vector<RowArgument> models, runs;  // of them
  std::string baseline;
  std::optional<std::string> interventions_text, halt_text, sweep_text;
  std::vector<Intervention> interventions;  // of the text, and the controls
  std::optional<HaltRule> halt;
  std::vector<int64_t> sweep;
  int64_t seeds = 0;  // 0 = not given
  bool no_controls = false, markdown = false, latex = false;
  std::filesystem::path out;
  OrderedJson command;

  void add(Options& options);
  void check(Options& options);  // parses what is text; UsageError where it cannot be

  std::string method_of(size_t model) const { return methods.empty() ? "latent" : methods[model]; }
  // UsageError unless the baseline is one of these rows, or none is asked for.
  void check_baseline(const Options& options, const std::vector<std::string>& names) const;
};

}  // namespace tacit
