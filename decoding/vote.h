#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "decoding/decode.h"

namespace tacit {

// What several samples gave as one answer.
struct AnswerVotes {
  std::string answer;  // of the first of them
  int64_t votes = 0;
  int64_t first = 0;  // which sample that is
};
// In the order of their first samples; as majority() counts them.
std::vector<AnswerVotes> count_votes(std::span<const std::string> answers,
                                     const std::function<bool(const std::string& a, const std::string& b)>& same = {});

// Self-consistency [arXiv:2203.11171]: which sample stands for the answer that most samples gave. Of equally frequent
// answers the one given first, and of its samples the first. "" is no answer and has no vote; where there is no other,
// sample 0. `same` says which texts are one answer (72 and 72.0), each compared with the first of a group; empty =
// equal texts. Fails on no samples.
int64_t majority(std::span<const std::string> answers,
                 const std::function<bool(const std::string& a, const std::string& b)>& same = {});

// How a sample's log-probabilities become its score.
enum class Likelihood {
  mean,  // log p / number of tokens
  sum,   // log p
};
// Of the words of a written chain, if it has any, and the answer's tokens, the stop token included; -inf of nothing.
double likelihood(std::span<const double> log_probs, Likelihood how);

// The first of the largest. Fails on none; NaN is never chosen beside a number.
int64_t best_of(std::span<const double> scores);

}  // namespace tacit
