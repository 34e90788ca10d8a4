#pragma once

namespace tacit {

// Ctrl-C sets a flag that long work looks at through its progress callback. Where nobody has ever looked, and at a
// second Ctrl-C, the program ends at once with 130. main.cpp installs the handler before a subcommand runs.
void install_interrupt_handler();
bool interrupted();      // the flag
void clear_interrupt();  // for a loop that goes on after an interrupted step (the REPL)

}  // namespace tacit
