#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "datasets/audit.h"
#include "datasets/example.h"
#include "datasets/reach.h"
#include "eval/scorer.h"

namespace tacit {

struct TaskOptions {
  std::filesystem::path data;  // file of the benchmark; empty = generated, for tasks that can be
  ReachOptions reach;          // style, labels and the generator's graph options
  Json generator;              // options of any other generated task (datasets/generated_task.h); null = its defaults
  bool lines = false;   // questions end their line, as a checkpoint of style "lines" was trained (datasets/lines.h)
  uint64_t seed = 0;    // of generation and of label permutations
  int64_t count = 300;  // problems to generate
  int64_t shots = 0;    // solved examples before each question
  std::filesystem::path shots_data;  // where they come from; empty = the task's own
};

// Something that can be scored.
struct Task {
  std::string name;     // "reach", "prosqa", "chain"
  std::string summary;  // one line
  std::function<std::vector<Example>(const TaskOptions&)> load;
  // Not empty. The first decides what is correct; the others stand beside it in Sample::scores.
  std::vector<Scorer> scorers;
  // What rules score on the examples that never do the reasoning; empty = none are known.
  std::function<std::vector<Heuristic>(const std::vector<Example>&)> heuristics = {};
  bool generated = false;            // problems can be made without a file
  bool renders_data = false;         // a data file is told in the style asked for; else it is text as it stands
  int64_t max_answer_tokens = 8;     // for an answer of one word
  int64_t max_sentence_tokens = 32;  // for one of several
};

const Task& task(const std::string& name);  // fails naming the known ones
std::vector<std::string> task_names();

// task.load, then the first `limit` (0 = all). Fails when there are none.
std::vector<Example> load_examples(const Task& task, const TaskOptions& options, int64_t limit = 0);
// Upper bound on the answer's tokens, from the form that the task gives its answers.
int64_t answer_tokens(const Task& task, const std::vector<Example>& examples);

}  // namespace tacit
