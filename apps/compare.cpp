#include <algorithm>
#include <iostream>

#include "apps/commands.h"
#include "apps/compare_out.h"
#include "apps/compare_rows.h"
#include "apps/ranks.h"
#include "apps/report_files.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "lib/core/error.h"
#include "lib/core/files.h"

namespace tacit {
namespace {

// "cot" of "cot, 3 thoughts"; "" of a row with something changed.
std::string plain_method(const std::string& method) {
  return method.find(" +") != method.npos ? "" : method.substr(0, method.find(','));
}

// The row to test against: the one asked for, else the first that is token chain of thought.
std::string choose_baseline(const CompareFlags& flags, const ComparedRows& compared) {
  if (!flags.baseline.empty()) return flags.baseline;
  for (const ComparedRow& row : compared.rows) {
    if (plain_method(row.runs[0].metrics.method) == "cot") return row.name;
  }
  return "";
}

// The command that was typed, and those of the runs where they are others.
void set_commands(const CompareFlags& flags, const ComparedRows& compared, OrderedJson& provenance) {
  OrderedJson others = OrderedJson::array();
  for (const ComparedRow& row : compared.rows) {
    for (const Run& run : row.runs) {
      const OrderedJson command = run.record.is_object() ? run.record.value("command", OrderedJson()) : OrderedJson();
      if (command.is_null() || command == flags.command) continue;
      if (std::find(others.begin(), others.end(), command) == others.end()) others.push_back(command);
    }
  }
  if (!provenance.is_object()) provenance = OrderedJson::object();
  provenance["command"] = flags.command;
  if (!others.empty()) provenance["run_commands"] = std::move(others);
}

void write_reports(const CompareFlags& flags, const ComparedRows& compared, const Comparison& comparison) {
  std::filesystem::create_directories(flags.out);
  write_file_atomic(flags.out / "compare.json", dump(to_json(comparison), 2) + "\n", "compare");
  write_file_atomic(flags.out / "compare.md", markdown_table(comparison), "compare");
  write_file_atomic(flags.out / "compare.tex", latex_table(comparison), "compare");
  std::vector<std::pair<std::string, Run>> first_runs;
  for (const ComparedRow& row : compared.rows) first_runs.emplace_back(row.name, row.runs[0]);
  write_report_page(flags.out, comparison, first_runs);
}

int run_compare(const std::vector<std::string>& args) {
  CompareFlags flags;
  flags.command = command_line("compare", args);
  Options options("compare", "Models, or runs of 'tacit eval', side by side on the same problems.",
                  "tacit compare --model models/frontier --model models/cot --task reach --count 100 --seed 1\n"
                  "tacit compare --model models/frontier --model models/cot --seeds 2 --count 10 --sweep-latents 0,6");
  flags.add(options);
  if (!options.parse(args)) return kDone;
  flags.check(options);
  if (!flags.models.empty()) check_ranks(options, !flags.out.empty());
  check_report_folder(flags.out);
  use_threads(flags.eval.common.threads);
  keep_freed_memory();

  const ComparedRows compared = flags.runs.empty() ? evaluate_rows(options, flags) : read_rows(options, flags);
  if (!compared.complete) {
    std::cerr << "tacit: this process has solved its share; the last of them, or the same command in one process, "
                 "makes the report\n";
    return kDone;
  }
  Comparison comparison = compare(compared.rows, choose_baseline(flags, compared), compared.clean);
  if (comparison.baseline.empty() && comparison.rows.size() > 1)
    comparison.notes.push_back(
        "nothing is tested against another row: none is of method cot, and '--baseline' names none");
  comparison.notes.insert(comparison.notes.end(), compared.notes.begin(), compared.notes.end());
  if (flags.no_controls) comparison.notes.push_back("the controls were left out ('--no-controls')");
  set_commands(flags, compared, comparison.provenance);
  if (!flags.out.empty()) write_reports(flags, compared, comparison);
  if (flags.eval.common.json) {
    std::cout << dump(to_json(comparison), 2) << "\n";
  } else if (flags.markdown) {
    std::cout << markdown_table(comparison);
  } else if (flags.latex) {
    std::cout << latex_table(comparison);
  } else {
    std::cout << terminal_table(comparison, output_width(), output_has_colour());
  }
  return kDone;
}

}  // namespace

Command compare_command() { return {"compare", "models or runs against each other: a report", run_compare}; }

}  // namespace tacit
