#include "eval/scorer.h"

#include <utility>

namespace tacit {

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
