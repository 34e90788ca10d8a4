#pragma once

#include <string>
#include <vector>

namespace tacit {

// `tacit data generate|convert|show|audit ..`: arguments after that word, exit code returned.
int data_generate(const std::vector<std::string>& args);
int data_convert(const std::vector<std::string>& args);
int data_show(const std::vector<std::string>& args);
int data_audit(const std::vector<std::string>& args);

}  // namespace tacit
