#include "eval/report_html.h"

#include <algorithm>
#include <array>

#include "eval/plot/markup.h"
#include "eval/plot/svg_file.h"
#include "eval/report_columns.h"
#include "eval/report_findings.h"
#include "eval/report_html_parts.h"
#include "eval/report_plots.h"
#include "lib/core/files.h"

namespace tacit {
namespace html {

std::string section(const std::string& id, const std::string& title, const std::string& content) {
  return "<section id=\"" + id + "\"><h2>" + escape_markup(title) + "</h2>\n" + content + "</section>\n";
}

namespace {

// Of a hash in hex, as a content security policy wants it.
std::string base64_of_hex(const std::string& hex) {
  static const char* const kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto byte = [&](size_t i) { return static_cast<unsigned>(std::stoul(hex.substr(2 * i, 2), nullptr, 16)); };
  std::string out;
  const size_t bytes = hex.size() / 2;
  for (size_t i = 0; i < bytes; i += 3) {
    const size_t rest = std::min<size_t>(3, bytes - i);
    const unsigned three = byte(i) << 16 | (rest > 1 ? byte(i + 1) << 8 : 0) | (rest > 2 ? byte(i + 2) : 0);
    for (size_t k = 0; k < 4; ++k) out += k <= rest ? kDigits[three >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string head(const std::string& title) {
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta "
         "http-equiv=\"Content-Security-Policy\" "
         "content=\"default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;; script-src &#39;sha256-" +
         base64_of_hex(sha256_hex(std::string_view(kScript))) +
         "&#39;\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>" +
         escape_markup(title) + "</title>\n<style>" + kStyle + kPlotStyle + "</style></head>\n<body>\n";
}

std::string notes(const Comparison& comparison) {
  std::vector<std::string> all = comparison.notes;
  for (std::string& finding : negative_findings(comparison)) all.push_back(std::move(finding));
  if (all.empty()) return "";
  std::string items;
  for (const std::string& note : all) items += "<li>" + escape_markup(note) + "</li>\n";
  return "<aside class=\"notes\" id=\"notes\"><h2>What to know, and what these numbers do not show</h2><ul>\n" + items +
         "</ul></aside>\n";
}

std::string bars_text(const Comparison& comparison) {
  const bool chance = chance_rule(comparison) != nullptr;
  return std::string("Bars show accuracy and its 95 % interval") + (chance ? ", the dashed line chance." : ".");
}

std::string subtitle(const Comparison& comparison) {
  const size_t plain = plain_rows(comparison).size(), changed = comparison.rows.size() - plain;
  std::string out = std::to_string(plain) + (plain == 1 ? " row" : " rows");
  if (changed > 0) out += " and " + std::to_string(changed) + " with something changed";
  if (comparison.rows.size() > 1) out += " on the same problems";
  if (!comparison.baseline.empty()) out += "; tested against " + comparison.baseline;
  return "<p class=\"sub\">" + escape_markup(out) + ".</p>\n";
}

std::string caption_of(const XyPlot& plot, const Comparison& comparison) {
  if (plot.lines || plot.front.empty()) return "Bars: 95 % intervals.";
  std::string aside;
  for (const ComparisonRow* row : plain_rows(comparison)) {
    const bool shown = std::ranges::find(plot.series, row->name, &PlotSeries::name) != plot.series.end();
    if (shown && row->off_front()) aside += (aside.empty() ? "" : ", ") + row->name;
  }
  return "Bars: 95 % intervals. Dashed: the Pareto front, beyond which no row here is more accurate for less" +
         (aside.empty() ? "." : "; left out are " + aside + " (see the notes above).");
}

std::string figure(const std::string& id, const std::string& title, const std::string& drawing,
                   const std::string& caption) {
  return "<figure id=\"" + id + "\"><h3>" + escape_markup(title) + "</h3>\n" + drawing + "\n<figcaption>" +
         escape_markup(caption) + "</figcaption></figure>\n";
}

std::string depth_table(const Comparison& comparison) {
  const std::vector<ReportColumn> columns = depth_columns(comparison);
  if (columns.empty()) return "";
  std::string head, body;
  for (const ReportColumn& c : columns)
    head += std::string(c.right ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">") + escape_markup(c.head) +
            "</th>";
  for (size_t r = 0; r < columns[0].cells.size(); ++r) {
    body += "<tr><th scope=\"row\">" + key(comparison, columns[0].cells[r]) + "<span>" +
            escape_markup(columns[0].cells[r]) + "</span></th>";
    for (size_t c = 1; c < columns.size(); ++c)
      body += "<td class=\"n\">" + escape_markup(columns[c].cells[r]) + "</td>";
    body += "</tr>\n";
  }
  return "<details id=\"depth\"><summary>Accuracy by depth, every row as numbers</summary><div class=\"wide\"><table "
         "class=\"sort\"><thead><tr>" +
         head + "</tr></thead><tbody>\n" + body + "</tbody></table></div></details>\n";
}

std::string plots(const Comparison& comparison) {
  std::string figures;
  for (const XyPlot& plot : xy_plots(comparison))
    figures += figure(plot.id, plot.title, svg(plot), caption_of(plot, comparison));
  for (const DotPlot& plot : seed_plots(comparison))
    figures += figure(plot.id, plot.title, svg(plot), "A mark a seed; the line and its band are all seeds together.");
  if (figures.empty()) return "";
  return section("plots", "Plots", "<div class=\"figures\">\n" + figures + "</div>\n" + depth_table(comparison));
}

// The lines that every report ends with; the first are commands.
std::string provenance(const Comparison& comparison) {
  const std::vector<std::string> lines = provenance_lines(comparison);
  if (lines.empty()) return "";
  const OrderedJson& known = comparison.provenance;
  const size_t commands =
      (known.contains("command") ? 1 : 0) + (known.contains("run_commands") ? known.at("run_commands").size() : 0);
  std::string typed, facts;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i < commands) {
      typed += (typed.empty() ? "" : "\n") + escape_markup(lines[i]);
      continue;
    }
    const size_t colon = std::min(lines[i].find(": "), lines[i].size());
    facts += "<dt>" + escape_markup(lines[i].substr(0, colon)) + "</dt><dd>" +
             escape_markup(lines[i].substr(std::min(colon + 2, lines[i].size()))) + "</dd>\n";
  }
  return section("provenance", "How it was made",
                 (typed.empty() ? "" : "<pre>" + typed + "</pre>\n") +
                     (facts.empty() ? "" : "<dl>\n" + facts + "</dl>\n") +
                     "<p class=\"lead\">compare.json, beside this page, has every "
                     "number and hash in full.</p>\n");
}

}  // namespace
}  // namespace html

std::string html_report(const Comparison& comparison, const std::vector<std::pair<std::string, Run>>& runs) {
  using namespace html;
  struct Part {
    const char *id, *name;
    std::string content;
  };
  const std::string controls = controls_table(comparison), rules = rules_table(comparison);
  const std::array<Part, 6> parts = {{
      {"results", "Results",
       section(
           "results", "Results",
           "<p class=\"lead\">" + bars_text(comparison) + "</p>\n" + headline_table(comparison) + notes(comparison))},
      {"plots", "Plots", plots(comparison)},
      {"controls", "Thoughts replaced",
       controls.empty()
           ? ""
           : section("controls", "Thoughts replaced",
                     "<p class=\"lead\">The same model with something else in place of its thoughts, tested "
                     "against its own clean row (exact; with one sample a problem McNemar’s test).</p>\n" +
                         controls)},
      {"examples", "Examples", examples(comparison, runs)},
      {"rules", "Label-blind rules",
       rules.empty() ? ""
                     : section("rules", "Label-blind rules",
                               "<p class=\"lead\">Rules that never look for the answer, on the same problems. One that "
                               "never decides scores what guessing does.</p>\n" +
                                   rules)},
      {"provenance", "How it was made", provenance(comparison)},
  }};
  std::string links, body;
  for (const Part& part : parts) {
    if (part.content.empty()) continue;
    links += "<a href=\"#" + std::string(part.id) + "\">" + part.name + "</a>\n";
    body += part.content;
  }
  const std::string title = report_title(comparison);
  return head(title) + "<header><h1>" + escape_markup(title) + "</h1>\n" + subtitle(comparison) + "<nav>\n" + links +
         "</nav></header>\n<main>\n" + body + "</main>\n<script>" + kScript + "</script>\n</body></html>\n";
}

}  // namespace tacit
