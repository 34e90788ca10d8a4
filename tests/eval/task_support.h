#pragma once

#include <string>

#include "eval/prompts.h"
#include "eval/task.h"

namespace tacit::test {

// What a model that answers rightly writes behind the question.
inline std::string right_text(const Task& task, const Example& example) {
  if (task.prompt.question.empty()) return " " + example.answer;
  return render_solved(task.prompt, example).substr(render_question(task.prompt, example).size());
}

}  // namespace tacit::test
