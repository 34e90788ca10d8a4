#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "datasets/audit.h"
#include "datasets/example.h"
#include "datasets/reach.h"
#include "eval/scorer.h"
#include "eval/task_spec.h"

namespace tacit {

enum class PromptStyle {
  automatic,    // in the task's template, but for checkpoints that were trained on questions as they stand in a file
  plain,        // the question as it stands
  in_template,  // in the task's template
};

struct TaskOptions {
  std::filesystem::path data;  // file of the benchmark; empty = generated, for tasks that can be
  ReachOptions reach;          // style, labels and the generator's graph options
  Json generator;              // options of any other generated task (datasets/generated_task.h); null = its defaults
  bool lines = false;   // questions end their line, as a checkpoint of style "lines" was trained (datasets/lines.h)
  uint64_t seed = 0;    // of generation and of label permutations
  int64_t count = 300;  // problems to generate
  int64_t shots = 0;    // solved examples before each question
  std::filesystem::path shots_data;  // where they come from; empty = the task's own
  PromptStyle prompt = PromptStyle::automatic;
  bool chat = false;              // the checkpoint's chat template around all of it
  int64_t max_answer_tokens = 0;  // 0 = the task's
};

// Something that can be scored.
struct Task {
  std::string name;     // "reach", "prosqa", "chain"
  std::string summary;  // one line
  std::function<std::vector<Example>(const TaskOptions&)> load;
  // Not empty. The first decides what is correct; the others stand beside it in Sample::scores.
  std::vector<Scorer> scorers;
  // What rules score on the examples that never do the reasoning, by the scorer that decides; empty = none are known.
  std::function<std::vector<Heuristic>(const std::vector<Example>&, const Scorer&)> heuristics = {};
  bool generated = false;                    // problems can be made without a file
  bool renders_data = false;                 // a data file is told in the style asked for; else it is text as it stands
  int64_t max_answer_tokens = 8;             // for an answer of one word
  int64_t max_sentence_tokens = 32;          // for one of several
  PromptSpec prompt = {};                    // without a question: problems are put as they stand
  std::vector<std::string> stop = {};        // ends a text before it is scored
  std::filesystem::path data = {};           // of its own, where TaskOptions::data is empty
  std::vector<std::string> formats = {};     // of its files, where it reads any but JSON lines of examples
  std::string published = {}, licence = {};  // of its file; "" = not known
  std::string file_sha256 = {};              // of the task file that it was read from; "" = built in
};

// By name, or by the path of a task file, which ends with ".json" (docs/tasks.md). Fails naming the known ones.
const Task& task(const std::string& name);
std::vector<std::string> task_names();
bool is_task_file(const std::string& name);
Task make_task(const TaskSpec& spec);

// The file that the problems come from; empty = they are generated.
std::filesystem::path data_of(const Task& task, const TaskOptions& options);

// task.load, then limit_examples(). Fails when there are none.
std::vector<Example> load_examples(const Task& task, const TaskOptions& options, int64_t limit = 0,
                                   std::optional<uint64_t> limit_seed = {});
// The first `limit` (0 = all); with a seed as many that are drawn without replacement, in their order.
void limit_examples(std::vector<Example>& examples, int64_t limit, std::optional<uint64_t> seed = {});
// Upper bound on the answer's tokens, from the form that the task gives its answers.
int64_t answer_tokens(const Task& task, const std::vector<Example>& examples, const TaskOptions& options = {});

}  // namespace tacit
