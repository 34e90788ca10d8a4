#pragma once

#include <string>
#include <string_view>

#include "datasets/example.h"

namespace tacit {

// A problem's text on lines of its own, as Coconut lays it out [facebookresearch/coconut, dataset.py]:
//     question \n [thoughts] step \n step \n ### answer
std::string question_line(const std::string& question);

// Without the spaces that follow a line end.
std::string tight_lines(std::string_view text);

// `marked`: the "###" before the answer is a marker of the checkpoint's, which the method puts there; else it stands in
// the answer's text.
Example on_lines(Example example, bool marked);

}  // namespace tacit
