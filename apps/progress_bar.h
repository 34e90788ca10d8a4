#pragma once

#include "lib/core/progress.h"

namespace tacit {

// Draws progress on stderr: on a terminal one bar that is redrawn in place, with percent, detail and time left;
// elsewhere a line at most every ten seconds and one when work that took several reports is done. The callback answers
// false once Ctrl-C was pressed. Copies share the bar; it is erased when the last of them goes away.
ProgressCallback progress_bar();

}  // namespace tacit
