#pragma once

#include <string>
#include <vector>

#include "apps/reach_options.h"
#include "datasets/generated_task.h"

namespace tacit {

// `tacit data generate|convert|show|audit ..`: arguments after that word, exit code returned.
int data_generate(const std::vector<std::string>& args);
int data_convert(const std::vector<std::string>& args);
int data_show(const std::vector<std::string>& args);
int data_audit(const std::vector<std::string>& args);

// A generated task's generator as the flags say. UsageError when one is given that does nothing to it.
Generator generator_of(const Options& options, const ReachFlags& flags, const std::string& task);

}  // namespace tacit
