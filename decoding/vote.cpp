#include "decoding/vote.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "lib/core/error.h"

namespace tacit {

int64_t majority(std::span<const std::string> answers,
                 const std::function<bool(const std::string& a, const std::string& b)>& same) {
  require(!answers.empty(), "vote", "expected at least one sample");
  struct Candidate {
    int64_t votes = 0, first = 0;
  };
  std::vector<Candidate> candidates;  // in the order of their first samples
  for (int64_t i = 0; i < std::ssize(answers); ++i) {
    if (answers[i].empty()) continue;
    const auto known = std::ranges::find_if(candidates, [&](const Candidate& candidate) {
      const std::string& first = answers[candidate.first];
      return first == answers[i] || (same && same(first, answers[i]));
    });
    if (known == candidates.end()) {
      candidates.push_back({1, i});
    } else {
      ++known->votes;
    }
  }
  const auto most = std::ranges::max_element(candidates, {}, &Candidate::votes);  // the first of equals
  return most == candidates.end() ? 0 : most->first;
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
