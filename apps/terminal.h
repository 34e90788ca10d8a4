#pragma once

#include <cstdint>

namespace tacit {

bool is_terminal(int descriptor);

// Columns of the terminal on standard output; where it is none, $COLUMNS, else 100.
int64_t output_width();

// It is one, and knows escapes: it is not TERM=dumb.
bool output_takes_escapes();

// A terminal that shows colours, and nobody asked for none (https://no-color.org).
bool output_has_colour();

}  // namespace tacit
