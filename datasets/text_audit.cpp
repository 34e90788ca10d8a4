#include "datasets/text_audit.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "datasets/generators.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

double share(int64_t part, int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

Heuristic score(const GuessRule& rule, const std::vector<Example>& examples, const TextVerdict& is_right) {
  int64_t decided = 0, right = 0;
  for (const Example& example : examples) {
    const std::string guess = rule.guess(example);
    decided += !guess.empty();
    right += !guess.empty() && (is_right ? is_right(example, guess) : guess == example.answer);
  }
  return {rule.name, rule.rule, share(right, std::ssize(examples)), decided};
}

}  // namespace

TextAudit audit_text(const std::vector<Example>& examples, const std::vector<GuessRule>& rules,
                     const TextVerdict& right) {
  TextAudit audit;
  audit.examples = std::ssize(examples);
  require(audit.examples > 0, "audit_text", "expected at least 1 example but got none");
  std::map<std::string, int64_t> answers;
  std::map<int64_t, int64_t> depths;
  std::map<std::string_view, std::string_view> questions;  // and the answer each had first
  int64_t words = 0, steps = 0, answer_words = 0;
  for (const Example& example : examples) {
    const int64_t length = std::ssize(split_words(example.question));
    audit.min_words = &example == &examples.front() ? length : std::min(audit.min_words, length);
    audit.max_words = std::max(audit.max_words, length);
    words += length;
    steps += std::ssize(example.steps);
    audit.max_steps = std::max(audit.max_steps, std::ssize(example.steps));
    const int64_t answer_length = std::ssize(split_words(example.answer));
    answer_words += answer_length;
    audit.max_answer_words = std::max(audit.max_answer_words, answer_length);
    audit.empty_answers += answer_length == 0;
    const auto [first, fresh] = questions.emplace(example.question, example.answer);
    audit.duplicates += !fresh;
    audit.contradictions += !fresh && first->second != example.answer;
    ++answers[example.answer];
    if (example.meta.is_object() && example.meta.contains("depth")) {
      const auto& depth = example.meta.at("depth");
      require(depth.is_number_integer(), "audit_text", "expected 'depth' to be an integer but got ", depth.dump(),
              " in example ", example.id);
      ++depths[depth.get<int64_t>()];
    }
  }
  audit.depth_counts.assign(depths.begin(), depths.end());
  audit.mean_words = share(words, audit.examples);
  audit.mean_steps = share(steps, audit.examples);
  audit.mean_answer_words = share(answer_words, audit.examples);
  audit.answers.assign(answers.begin(), answers.end());
  std::ranges::stable_sort(audit.answers, [](const auto& a, const auto& b) { return a.second > b.second; });
  const auto& [most_frequent, times] = audit.answers.front();
  const int64_t scored =
      right ? std::ranges::count_if(examples, [&](const Example& example) { return right(example, most_frequent); })
            : times;
  audit.heuristics.push_back({"most frequent answer", "the answer that most of these examples have, " + most_frequent,
                              share(scored, audit.examples), audit.examples});
  for (const GuessRule& rule : rules) audit.heuristics.push_back(score(rule, examples, right));
  return audit;
}

OrderedJson to_json(const TextAudit& audit) {
  OrderedJson json = {{"examples", audit.examples},
                      {"duplicates", audit.duplicates},
                      {"contradictions", audit.contradictions},
                      {"empty_answers", audit.empty_answers}};
  json["depths"] = OrderedJson::array();
  for (const auto& [depth, examples] : audit.depth_counts) {
    json["depths"].push_back({{"depth", depth}, {"examples", examples}});
  }
  json["words"] = {{"mean", audit.mean_words}, {"min", audit.min_words}, {"max", audit.max_words}};
  json["answer_words"] = {{"mean", audit.mean_answer_words}, {"max", audit.max_answer_words}};
  json["mean_steps"] = audit.mean_steps;
  json["max_steps"] = audit.max_steps;
  json["answers"] = OrderedJson::array();
  for (const auto& [answer, examples] : audit.answers) {
    json["answers"].push_back({{"answer", answer}, {"examples", examples}});
  }
  json["heuristics"] = OrderedJson::array();
  for (const Heuristic& h : audit.heuristics) {
    json["heuristics"].push_back(
        {{"name", h.name}, {"rule", h.rule}, {"accuracy", h.accuracy}, {"decided", h.decided}});
  }
  return json;
}

}  // namespace tacit
