#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "eval/task.h"

namespace tacit {

// How the answer to a question is read and judged. Empty functions: it is what Reply::answer tells, word for word.
struct AnswerRule {
  int64_t max_tokens = 8;
  std::vector<std::string> stop = {};  // an answer ends before the first of these
  // What counts of a text, "" = nothing, and whether two of these are one.
  std::function<std::string(const std::string& text)> extract = {};
  std::function<bool(const std::string& a, const std::string& b)> same = {};
  std::function<bool(const std::string& thoughts, const std::string& text)> right = {};
  bool reads_thoughts = false;  // `right` does
  // Choices are picked by their likelihoods: a text is neither right nor wrong, whatever it says.
  bool by_choice = false;
};

// By the task's first scorer, as an evaluation reads and judges the example's answers.
AnswerRule answer_rule(const Task& task, const Example& example, const TaskOptions& options = {});

}  // namespace tacit
