#include "eval/scorers/scorers.h"

#include <functional>

#include "eval/scorers/boolean.h"
#include "eval/scorers/boxed.h"
#include "eval/scorers/choice.h"
#include "eval/scorers/countdown.h"
#include "eval/scorers/exact_match.h"
#include "eval/scorers/numeric.h"
#include "eval/scorers/proof.h"
#include "eval/scorers/sudoku.h"
#include "eval/scorers/word_scorers.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

struct Known {
  const char* name;
  std::function<Scorer(const Json& options)> make;
};

// A scorer without options.
std::function<Scorer(const Json&)> plain(const char* name, std::function<Scorer()> make) {
  return [name, make = std::move(make)](const Json& options) {
    require(options.is_null() || (options.is_object() && options.empty()), "scorer", "expected no options of '", name,
            "' but got ", options.dump());
    return make();
  };
}

const std::vector<Known>& all() {
  static const std::vector<Known> known = [] {
    std::vector<Known> out = {{"exact_match", [](const Json& options) { return exact_match(options); }},
                              {"numeric", numeric},
                              {"countdown", countdown},
                              {"first_word", first_word}};
    const auto add = [&](const char* name, std::function<Scorer()> make) {
      out.push_back({name, plain(name, std::move(make))});
    };
    add("gsm8k_strict", gsm8k_strict);
    add("gsm8k_flexible", gsm8k_flexible);
    add("gsm8k_cot", gsm8k_cot);
    add("boxed", boxed);
    add("choice_text", choice_text);
    add("choice_likelihood", [] { return choice_likelihood(ChoiceNorm::none); });
    add("choice_likelihood_norm", [] { return choice_likelihood(ChoiceNorm::characters); });
    add("choice_likelihood_bytes", [] { return choice_likelihood(ChoiceNorm::bytes); });
    add("choice_likelihood_mean", [] { return choice_likelihood(ChoiceNorm::tokens); });
    add("boolean", boolean);
    add("sudoku", sudoku);
    add("proof", proof);
    add("sentence", sentence);
    add("as_it_stands", as_it_stands);
    return out;
  }();
  return known;
}

}  // namespace

std::vector<std::string> scorer_names() {
  std::vector<std::string> out;
  for (const Known& one : all()) out.push_back(one.name);
  return out;
}

Scorer scorer(const std::string& name, const Json& options) {
  std::string known;
  for (const Known& one : all()) {
    if (name == one.name) return one.make(options);
    known += (known.empty() ? "" : ", ") + std::string(one.name);
  }
  fail("scorer", "expected one of ", known, " but got '", name, "'", did_you_mean(name, scorer_names()));
}

}  // namespace tacit
