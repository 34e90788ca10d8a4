#include "eval/scorer.h"

#include <utility>

#include "lib/core/error.h"

namespace tacit {

void require_votes(const Scorer& scorer, const Strategy& strategy, const Procedure& procedure) {
  const bool votes_on_chains =
      strategy.kind == StrategyKind::vote && scorer.score_chain && procedure.max_thoughts() > 0;
  require(!votes_on_chains, "decode", "expected a scorer that reads the answer alone beside '", to_text(strategy),
          "', which counts answers, but got '", scorer.name, "', which reads the thoughts of '", procedure.method,
          "' too");
}

Scorer make_scorer(std::string name, std::string rule,
                   std::function<std::string(const Example&, const std::string&)> extract,
                   std::function<bool(const Example&, const std::string&)> correct) {
  auto score = [extract = std::move(extract), correct = std::move(correct)](const Example& example,
                                                                            const std::string& text) {
    Score out{.answer = extract(example, text)};
    out.extracted = !out.answer.empty();
    out.correct = out.extracted && correct(example, out.answer);
    return out;
  };
  return {std::move(name), std::move(rule), std::move(score)};
}

Scorer make_equality_scorer(std::string name, std::string rule,
                            std::function<std::string(const Example&, const std::string&)> extract,
                            std::function<bool(const std::string&, const std::string&)> equal) {
  Scorer out =
      make_scorer(std::move(name), std::move(rule), std::move(extract),
                  [equal](const Example& example, const std::string& answer) { return equal(example.answer, answer); });
  out.same = std::move(equal);
  return out;
}

}  // namespace tacit
