#pragma once

#include <string>

namespace tacit {

// What the classes of an svg() look like, by custom properties --fg, --soft, --bg, --grid and --c0 .. --c6 of the page.
extern const char* const kPlotStyle;

// An svg() as a file of its own, on white, without custom properties, which few programs beside browsers know.
std::string svg_file(std::string element);

}  // namespace tacit
