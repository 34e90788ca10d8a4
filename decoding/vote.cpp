#include "decoding/vote.h"

#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "lib/core/error.h"

namespace tacit {

int64_t majority(std::span<const std::string> answers) {
  require(!answers.empty(), "vote", "expected at least one sample");
  struct Candidate {
    int64_t votes = 0, first = 0;
  };
  std::map<std::string, Candidate> candidates;
  for (int64_t i = 0; i < std::ssize(answers); ++i) {
    if (answers[i].empty()) continue;
    Candidate& of = candidates.try_emplace(answers[i], Candidate{0, i}).first->second;
    ++of.votes;
  }
  Candidate best;
  for (const auto& [answer, candidate] : candidates) {
    const bool more = candidate.votes > best.votes;
    if (more || (candidate.votes == best.votes && candidate.first < best.first)) best = candidate;
  }
  return best.first;
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
