#pragma once

#include <functional>
#include <string>
#include <vector>

#include "eval/run.h"
#include "eval/run_folder.h"

namespace tacit {

// The examples of a run, tokenised, with the procedure that answers them. Everything that can be refused is refused
// when it is made: unknown words, prompts that do not fit.
class Problems {
 public:
  Problems(const LoadedModel& model, const RunOptions& options);

  int64_t size() const { return std::ssize(examples_); }
  const Example& example(int64_t i) const { return examples_[i]; }
  int64_t prompt_tokens(int64_t i) const { return std::ssize(prompts_[i]); }
  const std::string& task_name() const { return task_.name; }
  // "coconut", with what was changed of it: "coconut, entropy:0.5 +swap".
  std::string method_name() const;
  RunRecord record() const;
  const Metrics& describe() const { return described_; }  // names and heuristics

  // What a run needs to know of all its problems beforehand: their clean thoughts, which some interventions feed, and
  // where the oracle halts. `go_on` is told how many are done, and returns false to stop. -> whether all were.
  bool prepare(const std::function<bool(int64_t done, int64_t total)>& go_on);

  // Once prepared: solves these with options.batch rows at a time; `on_sample` is told of each as it is solved, with
  // thoughts, and returns false to stop. -> whether all were solved. The same call gives the same samples, timings
  // aside.
  bool solve(const std::vector<int64_t>& which, const std::function<bool(int64_t i, Sample)>& on_sample) const;
  PhaseTimes time(int64_t i) const;                             // of one problem alone, which is not too long
  bool too_long(int64_t i) const { return too_long_[i] != 0; }  // RunOptions::too_long

 private:
  void tokenize();
  std::function<std::string(int64_t i, const std::vector<int64_t>& tokens)> extractor() const;
  void tokenize_choices(const Example& example, const std::string& text, const std::vector<int64_t>& prompt);
  bool choices_alone() const;  // encoded apart from the prompt: something stands between them
  void describe_them();
  // Whether answers are chosen by likelihood: the task's first scorer asks for it.
  bool by_choice() const { return task_.scorers.at(0).score_choices != nullptr; }
  std::string changed_text() const;
  Sample sample(int64_t i, const Solution& solution) const;
  Sample posed(int64_t i) const;  // what a sample says before anything is solved
  Sample unsolved(int64_t i) const;
  bool ran_into_cap(const Decoded& answer) const;
  void refuse_too_long(int64_t limit, const std::vector<int64_t>& needed) const;
  using OnSolution = std::function<bool(int64_t i, const Solution& solution)>;
  bool solve_with(const Procedure& procedure, const std::vector<int64_t>& which, bool keep_trace,
                  const OnSolution& on_solution) const;
  bool find_oracle(const std::function<bool()>& solved_one);
  bool fill_bank(ThoughtBank& bank, const std::function<bool()>& solved_one) const;

  const LoadedModel& model_;
  const RunOptions& options_;
  Task task_;
  Procedure procedure_;
  bool prepared_ = false;
  std::vector<Example> examples_;
  std::string chat_;  // name of the chat template around the prompts; "" = none
  int64_t all_problems_ = 0;
  TokenRows prompts_;
  std::vector<char> too_long_;
  std::vector<TokenRows> choices_;  // by problem, where answers are chosen by likelihood
  Metrics described_;
  SolveOptions solve_options_;
};

// Of a method that takes fewer thoughts at most than this, the intervention would change nothing.
int64_t least_thoughts(const Intervention& what);

// ".97": a share with two digits.
std::string share_text(double share);

// One row's thoughts as text: the words it committed to, or the likeliest tokens of every thought, "7 .52 3 .44 | 9
// .98".
std::string thoughts_text(const Transformer& model, const Tokenizer& tokenizer, const Thoughts& thoughts, int64_t row);

}  // namespace tacit
