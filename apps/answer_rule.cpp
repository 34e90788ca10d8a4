#include "apps/answer_rule.h"

namespace tacit {

AnswerRule answer_rule(const Task& task, const Example& example, const TaskOptions& options) {
  const Scorer& scorer = task.scorers.at(0);
  AnswerRule out{.max_tokens = answer_tokens(task, {example}, options), .stop = task.stop};
  out.by_choice = static_cast<bool>(scorer.score_choices);
  if (out.by_choice) return out;
  out.right = [scorer, example](const std::string& thoughts, const std::string& text) {
    const bool chain = scorer.score_chain && !thoughts.empty();
    return (chain ? scorer.score_chain(example, thoughts, text) : scorer.score(example, text)).correct;
  };
  out.reads_thoughts = static_cast<bool>(scorer.score_chain);
  out.extract = [scorer, example](const std::string& text) { return scorer.score(example, text).answer; };
  out.same = scorer.same;
  return out;
}

}  // namespace tacit
