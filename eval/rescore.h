#pragma once

#include "eval/sample.h"
#include "eval/task.h"

namespace tacit {

// Scores the sample's text by the task's scorers: answer, extracted, correct and scores. Needs no model.
void score(Sample& sample, const Example& example, const Task& task);

}  // namespace tacit
