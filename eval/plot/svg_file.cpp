#include "eval/plot/svg_file.h"

#include <utility>

#include "eval/plot/markup.h"

namespace tacit {

const char* const kPlotStyle =
    R"css(.plot text{fill:var(--fg)}.plot .tick,.plot .title{fill:var(--soft)}.plot .name,.plot .reftext{paint-order:stroke;stroke:var(--bg);stroke-width:3px;stroke-linejoin:round}
.plot .reftext{font-size:11.5px;fill:var(--soft)}.plot .axis{stroke:var(--soft)}.plot .grid{stroke:var(--grid)}
.plot .ref{stroke:var(--soft);stroke-dasharray:2 3}.mark{fill:currentColor;stroke:var(--bg);stroke-width:1}
.plot .ci{stroke:currentColor;stroke-width:1.4;opacity:.6}.plot .many{opacity:.28}.plot .line{fill:none;stroke:currentColor;stroke-width:1.8}
.plot .dash1{stroke-dasharray:6 3}.plot .dash2{stroke-dasharray:2 3}.plot .lead{stroke:currentColor;stroke-width:.8;opacity:.55}
.plot .front path{fill:none;stroke:var(--soft);stroke-width:1.4;stroke-dasharray:6 4}
.plot .band{stroke:currentColor;stroke-width:12;opacity:.28}.plot .mean{stroke:currentColor;stroke-width:2.5}
.s0{color:var(--c0)}.s1{color:var(--c1)}.s2{color:var(--c2)}.s3{color:var(--c3)}.s4{color:var(--c4)}.s5{color:var(--c5)}.s6{color:var(--c6)}
)css";

std::string svg_file(std::string element) {
  constexpr std::pair<const char*, const char*> kColours[] = {
      {"var(--fg)", "#1b1f24"}, {"var(--soft)", "#5b6570"}, {"var(--bg)", "#ffffff"}, {"var(--grid)", "#e7eaee"},
      {"var(--c0)", "#0072b2"}, {"var(--c1)", "#d55e00"},   {"var(--c2)", "#009e73"}, {"var(--c3)", "#cc79a7"},
      {"var(--c4)", "#e69f00"}, {"var(--c5)", "#56b4e9"},   {"var(--c6)", "#1b1f24"}};
  std::string style = kPlotStyle;
  for (const auto& [name, colour] : kColours) {
    for (size_t at = style.find(name); at != std::string::npos; at = style.find(name, at))
      style.replace(at, std::string(name).size(), colour);
  }
  // Beside the frame, whose labels a wider font than the estimated one lets stand out.
  constexpr double kMargin = 10;
  const std::string box = "viewBox=\"0 0 ";
  const size_t at = element.find(box) + box.size(), end = element.find('"', at), gap = element.find(' ', at);
  const double width = std::stod(element.substr(at, gap - at)), height = std::stod(element.substr(gap, end - gap));
  const std::string wide = coordinate(width + 2 * kMargin) + " " + coordinate(height + 2 * kMargin);
  const std::string corner = coordinate(-kMargin);
  element.replace(at - 4, end - at + 4, corner + " " + corner + " " + wide);
  const std::string head = "<style>.plot{font:13px Helvetica,Arial,sans-serif}" + style + "</style><rect x=\"" +
                           corner + "\" y=\"" + corner + "\" width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>";
  element.insert(element.find('>') + 1, head);
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + element + "\n";
}

}  // namespace tacit
