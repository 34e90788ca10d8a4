#include "decoding/vote.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "lib/core/error.h"

namespace tacit {

std::vector<AnswerVotes> count_votes(std::span<const std::string> answers,
                                     const std::function<bool(const std::string& a, const std::string& b)>& same) {
  std::vector<AnswerVotes> out;
  for (int64_t i = 0; i < std::ssize(answers); ++i) {
    if (answers[i].empty()) continue;
    const auto known = std::ranges::find_if(out, [&](const AnswerVotes& counted) {
      return counted.answer == answers[i] || (same && same(counted.answer, answers[i]));
    });
    if (known == out.end()) {
      out.push_back({answers[i], 1, i});
    } else {
      ++known->votes;
    }
  }
  return out;
}

int64_t majority(std::span<const std::string> answers,
                 const std::function<bool(const std::string& a, const std::string& b)>& same) {
  require(!answers.empty(), "vote", "expected at least one sample");
  const std::vector<AnswerVotes> counted = count_votes(answers, same);
  const auto most = std::ranges::max_element(counted, {}, &AnswerVotes::votes);  // the first of equals
  return most == counted.end() ? 0 : most->first;
}

double likelihood(std::span<const double> log_probs, Likelihood how) {
  if (log_probs.empty()) return -std::numeric_limits<double>::infinity();
  const double sum = std::accumulate(log_probs.begin(), log_probs.end(), 0.0);
  return how == Likelihood::sum ? sum : sum / static_cast<double>(log_probs.size());
}

int64_t best_of(std::span<const double> scores) {
  require(!scores.empty(), "best_of", "expected at least one sample");
  int64_t best = 0;
  for (int64_t i = 1; i < std::ssize(scores); ++i) {
    if (scores[i] > scores[best] || (std::isnan(scores[best]) && !std::isnan(scores[i]))) best = i;
  }
  return best;
}

}  // namespace tacit
