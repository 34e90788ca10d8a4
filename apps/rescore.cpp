#include <cstdio>
#include <iostream>

#include "apps/commands.h"
#include "apps/eval_options.h"
#include "apps/known_names.h"
#include "apps/options.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "eval/compare.h"
#include "eval/import_samples.h"
#include "eval/rescore.h"

namespace tacit {
namespace {

constexpr size_t kMostChanges = 20;

std::string shown(const Score& score) {
  return (score.extracted ? dump(OrderedJson(score.answer)) : std::string("nothing")) +
         (score.correct ? " (right)" : " (wrong)");
}

OrderedJson to_json(const ScoreChange& change) {
  const auto score = [](const Score& s) {
    return OrderedJson{{"answer", s.answer}, {"extracted", s.extracted}, {"correct", s.correct}};
  };
  return {
      {"id", change.id}, {"repeat", change.repeat}, {"before", score(change.before)}, {"after", score(change.after)}};
}

void print_changes(const Rescored& result, bool dry) {
  for (size_t i = 0; i < std::min(result.changes.size(), kMostChanges); ++i) {
    const ScoreChange& change = result.changes[i];
    std::cout << change.id << (change.repeat > 0 ? ", repeat " + std::to_string(change.repeat) : "") << ": "
              << shown(change.before) << " -> " << shown(change.after) << "\n";
  }
  if (result.changes.size() > kMostChanges) std::cout << ".. and " << result.changes.size() - kMostChanges << " more\n";
  const Metrics &before = result.before, &after = result.run.metrics;
  std::cout << result.changes.size() << " of " << after.examples << " samples " << (dry ? "would change" : "changed")
            << "; correct " << before.correct << " -> " << after.correct << ", without an answer "
            << before.not_extracted << " -> " << after.not_extracted << "\n";
  for (const ScorerMetrics& scorer : after.scorers) {
    std::cout << scorer.scorer << ": correct " << scorer.correct << ", without an answer " << scorer.not_extracted
              << "\n";
  }
}

int run_rescore(const std::vector<std::string>& args) {
  std::string folder, task;
  std::filesystem::path data, import;
  std::vector<std::string> scorers;
  bool dry = false;
  CommonOptions common;
  Options options("rescore",
                  "Scores the texts of a finished run anew; no model is needed. With --import the run is made of "
                  "what lm-evaluation-harness wrote (--log_samples).",
                  "tacit eval --model models/frontier --task reach --count 20 --latency-problems 0 --out runs/again\n"
                  "tacit rescore runs/again --scorer first_word --dry");
  options.positional("RUN", &folder, "run folder; with --import a new one");
  options.add("task", "NAME", &task, "whose examples and scorers (default: the run's own)");
  options.add("data", "FILE", &data, "the task's file, where it is no longer where the run found it or was corrected");
  options.add("scorer", "NAME", &scorers, "in place of the task's; may repeat: the first says what is correct");
  options.add("import", "FILE", &import, "samples_TASK_DATE.jsonl of lm-evaluation-harness");
  options.flag("dry", &dry, "say what would change and write nothing");
  options.common(common, {"json"});
  if (!options.parse(args)) return kDone;
  if (!task.empty()) check_task(options, task);
  check_scorers(options, scorers);
  if (options.given("import")) {
    options.reject_given({"dry"}, "import");
    const Run run = import_samples({.file = import,
                                    .task = task,
                                    .data = data,
                                    .scorers = scorers,
                                    .out = folder,
                                    .command = command_line("rescore", args)});
    if (common.json) {
      std::cout << dump(tacit::to_json(run.metrics), 2) << "\n";
    } else {
      std::cout << terminal_table(compare({{run.metrics.model, run}}, ""), output_width(), output_has_colour());
      for (const ScorerMetrics& scorer : run.metrics.scorers) {
        std::cout << scorer.scorer << ": correct " << scorer.correct << ", without an answer " << scorer.not_extracted
                  << "\n";
      }
    }
    return kDone;
  }
  const Rescored result = rescore(folder, {.task = task, .data = data, .scorers = scorers, .dry = dry});
  if (common.json) {
    OrderedJson changes = OrderedJson::array();
    for (const ScoreChange& change : result.changes) changes.push_back(to_json(change));
    std::cout << dump({{"metrics", tacit::to_json(result.run.metrics)},
                       {"before", tacit::to_json(result.before)},
                       {"written", !dry},
                       {"changes", changes}},
                      2)
              << "\n";
  } else {
    print_changes(result, dry);
  }
  return kDone;
}

}  // namespace

Command rescore_command() { return {"rescore", "score a finished run anew, or one of another harness", run_rescore}; }

}  // namespace tacit
