#pragma once

#include "apps/command.h"

namespace tacit {

// One a file: run.cpp, repl.cpp, .. ; main.cpp lists them.
Command run_command();
Command repl_command();
Command demo_command();
Command eval_command();
Command compare_command();
Command table_command();
Command probe_command();
Command score_command();
Command rescore_command();
Command tokenize_command();
Command inspect_command();
Command data_command();
Command convert_command();
Command train_command();
Command bench_command();
Command verbalise_command();

}  // namespace tacit
