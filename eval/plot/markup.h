#pragma once

#include <cstdint>
#include <string>

namespace tacit {

// Text of a stranger for the inside of an element or of a quoted attribute, of HTML and of XML alike: markup is
// escaped; bytes that are no UTF-8, control characters and non-characters, which XML forbids, are replaced by U+FFFD,
// line ends and tabs stay.
std::string escape_markup(const std::string& text);

// At most `most` characters (code points), the last an ellipsis where something was left out.
std::string shortened(const std::string& text, int64_t most);

std::string fixed_text(double value, int digits);         // "12.50"
std::string percent_text(double share);                   // .937 -> "93.7"
std::string significant_text(double value);               // three digits or so: "0.04", "3.12", "86.9", "1204"
std::string p_value_text(double p);                       // "<.0001", ".0031", ".230"
std::string coordinate(double value);                     // of an SVG: two decimals at most, no trailing zeros
double text_width(const std::string& text, double size);  // of a sans serif, estimated; in the unit of `size`

}  // namespace tacit
