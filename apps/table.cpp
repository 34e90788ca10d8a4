#include <iostream>

#include "apps/commands.h"
#include "apps/options.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "eval/task_table.h"

namespace tacit {
namespace {

int run_table(const std::vector<std::string>& args) {
  std::vector<std::string> paths;
  TaskTableOptions table;
  bool markdown = false, latex = false, csv = false;
  CommonOptions common;
  Options options(
      "table", "Finished results on several tasks as one table, a row a model and a column a task.",
      "tacit compare --model models/frontier --model models/cot --task reach --count 10 --out reports/reach\n"
      "tacit eval --model models/frontier --task reach --kind random --count 10 --out runs/random\n"
      "tacit table reports/reach runs/random");
  options.positional("PATH", &paths, "folder of a report ('tacit compare --out') or of a run ('tacit eval --out')");
  options.add("baseline", "ROW", &table.baseline,
              "test the runs of each task against this row's; of reports, leave out tests against others");
  options.flag("all", &table.changed_thoughts, "also rows whose thoughts were replaced");
  options.flag("markdown", &markdown, "print Markdown");
  options.flag("latex", &latex, "print a table for LaTeX");
  options.flag("csv", &csv, "print a line for each cell");
  options.common(common, {"json"});
  if (!options.parse(args)) return kDone;
  if (markdown + latex + csv + common.json > 1)
    options.reject("expected at most one of '--markdown', '--latex', '--csv' and '--json'");
  std::vector<TaskResult> results;
  for (const std::string& path : paths) {
    for (TaskResult& result : read_task_results(path)) results.push_back(std::move(result));
  }
  const TaskTable made = task_table(std::move(results), table);
  if (common.json) {
    std::cout << dump(to_json(made), 2) << "\n";
  } else if (csv) {
    std::cout << csv_table(made);
  } else if (latex) {
    std::cout << latex_table(made);
  } else if (markdown) {
    std::cout << markdown_table(made);
  } else {
    std::cout << terminal_table(made, output_width(), output_has_colour());
  }
  return kDone;
}

}  // namespace

Command table_command() { return {"table", "results on several tasks as one table", run_table}; }

}  // namespace tacit
