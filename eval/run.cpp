#include "eval/run.h"

#include "eval/evaluation.h"
#include "lib/core/error.h"

namespace tacit {

TaskOptions task_options_of(const MethodSettings& settings) {
  TaskOptions options;
  require(settings.style.empty() || settings.style == "symbols" || settings.style == "english", "task_options",
          "expected style symbols or english but got '", settings.style, "'");
  options.reach.style = settings.style == "english" ? ReachStyle::english : ReachStyle::symbols;
  options.reach.labels = settings.labels;
  return options;
}

Run evaluate(const LoadedModel& model, const RunOptions& options, const ProgressCallback& progress) {
  std::deque<Evaluation> one;
  one.emplace_back(model, options, progress ? ProgressCallback(std::cref(progress)) : ProgressCallback());
  one.front().solve();
  return finish(one, progress).front();
}

}  // namespace tacit
