#include "eval/scorers/scorers.h"

#include <sstream>

#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

std::string first_word(const Example&, const std::string& text) {
  std::istringstream words(text);
  std::string word;
  words >> word;
  return word;
}

}  // namespace

std::vector<std::string> scorer_names() { return {"first_word"}; }

Scorer scorer(const std::string& name, const Json& options) {
  require(options.is_null() || options.empty(), "scorer", "expected no options of '", name, "'");
  if (name == "first_word") {
    return make_scorer("first_word", "the first word is the answer", first_word,
                       [](const Example& example, const std::string& answer) { return answer == example.answer; });
  }
  fail("scorer", "expected one of first_word but got '", name, "'", did_you_mean(name, scorer_names()));
}

}  // namespace tacit
