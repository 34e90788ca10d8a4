#include "eval/run.h"

#include "eval/evaluation.h"
#include "lib/core/error.h"

namespace tacit {

TaskOptions task_options_of(const MethodSettings& settings) {
  TaskOptions options;
  const std::string& style = settings.style;
  require(style.empty() || style == "symbols" || style == "english" || style == "lines", "task_options",
          "expected style symbols, english or lines but got '", style, "'");
  options.lines = style == "lines";
  options.reach.style = style == "english" || options.lines ? ReachStyle::english : ReachStyle::symbols;
  options.reach.labels = settings.labels;
  options.generator = settings.generator;
  return options;
}

Run evaluate(const LoadedModel& model, const RunOptions& options, const ProgressCallback& progress) {
  std::deque<Evaluation> one;
  one.emplace_back(model, options, progress ? ProgressCallback(std::cref(progress)) : ProgressCallback());
  one.front().solve();
  return finish(one, progress).front();
}

}  // namespace tacit
