#pragma once

#include <string>
#include <vector>

#include "apps/options.h"

namespace tacit {

// UsageError, with the known names and the nearest one, unless `name` is among them.
void check_name(const Options& options, const char* option, const std::vector<std::string>& known,
                const std::string& name);
// The same for methods; 'latent' counts.
void check_method(const Options& options, const std::string& name, const char* option = "method");
// The same for scorers.
void check_scorers(const Options& options, const std::vector<std::string>& names);
// The same for tasks; the path of a task file is taken as it is.
void check_task(const Options& options, const std::string& name);

}  // namespace tacit
