#pragma once

#include <string>
#include <vector>

#include "eval/task_spec.h"

namespace tacit {

// The public benchmarks that are read from their own files, in a fixed order. `listops` among them reads the files of
// its papers for the generated task of that name.
const std::vector<TaskSpec>& public_tasks();
const TaskSpec* find_public_task(const std::string& name);  // null pointer where none is called so

// One of them as the JSON of a task file, to start an own one from. Fails naming the known ones.
std::string public_task_json(const std::string& name);

}  // namespace tacit
