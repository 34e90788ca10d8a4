#include "apps/known_names.h"

#include <algorithm>
#include <filesystem>

#include "eval/scorers/scorers.h"
#include "eval/task.h"
#include "latent/method.h"
#include "lib/core/nearest.h"

namespace tacit {

void check_name(const Options& options, const char* option, const std::vector<std::string>& known,
                const std::string& name) {
  if (std::ranges::find(known, name) != known.end()) return;
  std::string listed;
  for (const std::string& each : known) listed += (listed.empty() ? "" : ", ") + each;
  options.reject("expected one of " + listed + " for '--" + option + "' but got '" + name + "'" +
                 did_you_mean(name, known));
}

void check_method(const Options& options, const std::string& name, const char* option) {
  if (name != "latent") check_name(options, option, method_names(), name);
}

void check_scorers(const Options& options, const std::vector<std::string>& names) {
  for (const std::string& name : names) check_name(options, "scorer", scorer_names(), name);
}

void check_task(const Options& options, const std::string& name) {
  if (is_task_file(name)) {
    task(name);  // says what is wrong with the file
    return;
  }
  const std::vector<std::string> known = task_names();
  std::error_code unreadable;
  if (std::ranges::find(known, name) == known.end() && std::filesystem::is_directory(name, unreadable)) {
    options.reject(
        "expected a task that 'tacit data list' names, or a task file, NAME.json, for '--task' but got the "
        "folder '" +
        name + "'");
  }
  check_name(options, "task", known, name);
}

}  // namespace tacit
