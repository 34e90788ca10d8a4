#pragma once

#include "eval/scorer.h"

namespace tacit {

// Yes or no, true or false, whatever the case; yes is true. Behind the last announcement (plain_text.h) the first such
// word; without one the text's first word if it is one, else the last that is.
Scorer boolean();

}  // namespace tacit
