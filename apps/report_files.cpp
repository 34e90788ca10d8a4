#include "apps/report_files.h"

#include "eval/plot/gnuplot.h"
#include "eval/plot/svg_file.h"
#include "eval/report_html.h"
#include "eval/report_plots.h"
#include "lib/core/files.h"

namespace tacit {
namespace {

template <class Plot>
void write_plot(const std::filesystem::path& folder, const Plot& plot) {
  std::filesystem::create_directories(folder);
  const GnuplotFiles files = gnuplot_files(plot);
  write_file_atomic(folder / (files.name + ".svg"), svg_file(svg(plot)), "compare");
  write_file_atomic(folder / (files.name + ".tsv"), files.data, "compare");
  write_file_atomic(folder / (files.name + ".gp"), files.script, "compare");
}

}  // namespace

void write_report_page(const std::filesystem::path& folder, const Comparison& comparison,
                       const std::vector<std::pair<std::string, Run>>& runs) {
  write_file_atomic(folder / "compare.html", html_report(comparison, runs), "compare");
  const std::filesystem::path plots = folder / "plots";
  // An earlier report may have had plots that this one has not.
  for (const std::string& id : plot_ids()) {
    for (const char* ending : {".svg", ".tsv", ".gp", "-gnuplot.svg"}) std::filesystem::remove(plots / (id + ending));
  }
  for (const XyPlot& plot : xy_plots(comparison)) write_plot(plots, plot);
  for (const DotPlot& plot : seed_plots(comparison)) write_plot(plots, plot);
}

}  // namespace tacit
