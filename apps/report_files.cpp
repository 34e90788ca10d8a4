#include "apps/report_files.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>

#include "eval/plot/gnuplot.h"
#include "eval/report_html.h"
#include "eval/report_plots.h"
#include "lib/core/files.h"

namespace tacit {
namespace {

enum class Outcome { drawn, absent, failed };

Outcome run_gnuplot(const std::filesystem::path& folder, const std::string& script) {
  const char* const argv[] = {"gnuplot", script.c_str(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);  // stdout is the report's
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, const_cast<char* const*>(argv), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Outcome::absent;
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? Outcome::drawn : Outcome::failed;
}

}  // namespace

void write_report_page(const std::filesystem::path& folder, const Comparison& comparison,
                       const std::vector<std::pair<std::string, Run>>& runs) {
  write_file_atomic(folder / "compare.html", html_report(comparison, runs), "compare");
  std::vector<GnuplotFiles> all;
  for (const XyPlot& plot : xy_plots(comparison)) all.push_back(gnuplot_files(plot));
  for (const DotPlot& plot : seed_plots(comparison)) all.push_back(gnuplot_files(plot));
  const std::filesystem::path plots = folder / "plots";
  // An earlier report may have had plots that this one has not.
  for (const std::string& id : plot_ids()) {
    for (const char* ending : {".tsv", ".gp", ".svg"}) std::filesystem::remove(plots / (id + ending));
  }
  if (!all.empty()) std::filesystem::create_directories(plots);
  for (const GnuplotFiles& files : all) {
    write_file_atomic(plots / (files.name + ".tsv"), files.data, "compare");
    write_file_atomic(plots / (files.name + ".gp"), files.script, "compare");
  }
  for (const GnuplotFiles& files : all) {
    const Outcome outcome = run_gnuplot(plots, files.name + ".gp");
    if (outcome == Outcome::absent) {
      std::cerr << "compare: gnuplot is not installed, so " << plots.string()
                << " holds its scripts (.gp) and data (.tsv) without .svg; compare.html has the same plots\n";
      return;
    }
    if (outcome == Outcome::failed)
      std::cerr << "compare: gnuplot could not draw " << (plots / (files.name + ".gp")).string() << "\n";
  }
}

}  // namespace tacit
