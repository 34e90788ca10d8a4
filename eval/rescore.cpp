#include "eval/rescore.h"

#include "lib/core/error.h"

namespace tacit {

void score(Sample& sample, const Example& example, const Task& task) {
  require(!task.scorers.empty(), "score", "expected a task with a scorer but '", task.name, "' has none");
  const Score first = task.scorers[0].score(example, sample.text);
  sample.answer = first.answer;
  sample.extracted = first.extracted;
  sample.correct = first.correct;
  sample.scores.clear();
  for (size_t i = 1; i < task.scorers.size(); ++i) {
    sample.scores.push_back({task.scorers[i].name, task.scorers[i].score(example, sample.text)});
  }
}

}  // namespace tacit
