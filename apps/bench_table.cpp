#include "apps/bench_table.h"

#include <algorithm>
#include <cstdio>

#include "apps/counted.h"

namespace tacit {
namespace {

constexpr int64_t kLabelColumns = 26, kFigureColumns = 26, kWidestBar = 30;

template <class... Values>
std::string formatted(const char* format, Values... values) {
  char text[160];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

std::string milliseconds_text(double ms) { return ms < 1 ? formatted("%.2f us", 1e3 * ms) : formatted("%.2f ms", ms); }

class Table {
 public:
  explicit Table(const RenderOptions& options) : options_(options) {}

  void line(const std::string& label, const std::string& figure, const std::string& remark = "") {
    lines_.push_back(clip(pad(label, kLabelColumns) + (remark.empty() ? figure : pad(figure, kFigureColumns) + remark),
                          options_.width));
  }
  void share(const std::string& label, const std::string& figure, double share) {
    const int64_t columns = std::min(kWidestBar, options_.width - kLabelColumns - kFigureColumns - 8);
    line(label, figure,
         pad(formatted("%.1f %%", 100 * share), 8) +
             (columns > 0 ? paint(bar(share, columns), Tone::lit, options_.colour) : ""));
  }
  void text(const std::string& text) { lines_.push_back(clip(text, options_.width)); }
  Lines lines() && { return std::move(lines_); }

 private:
  RenderOptions options_;
  Lines lines_;
};

double number(const OrderedJson& json, const char* name) { return json.at(name).get<double>(); }
int64_t integer(const OrderedJson& json, const char* name) { return json.at(name).get<int64_t>(); }

std::string title(const OrderedJson& r) {
  std::string text = r.at("benchmark").get<std::string>();
  if (r.contains("config"))
    text += ", " + r.at("config").get<std::string>() + " " + r.at("dtype").get<std::string>() +
            (r.contains("weights") ? ", weights " + r.at("weights").get<std::string>() : "");
  if (r.contains("batch")) text += formatted(", batch %lld", static_cast<long long>(integer(r, "batch")));
  for (const char* size : {"question", "latents", "rest", "answer", "steps"}) {
    if (r.contains(size)) text += formatted(", %s %lld", size, static_cast<long long>(integer(r, size)));
  }
  return text + formatted(" (%s, %lld threads, %lld rounds in turns)", r.at("device").get<std::string>().c_str(),
                          static_cast<long long>(integer(r, "threads")), static_cast<long long>(integer(r, "rounds")));
}

void put_step(Table& table, const OrderedJson& r) {
  table.line("time", milliseconds_text(number(r, "ms_median")), "p95 " + milliseconds_text(number(r, "ms_p95")));
  // Faster than memory by more than its rate is known to: a cache holds the weights, and memory sets no floor.
  const bool cached = r.contains("floor_ms") && number(r, "share_of_bandwidth") > 1.1;
  if (cached) {
    table.line("read, " + scaled(number(r, "bytes"), "B"), formatted("%.2f GB/s", number(r, "gb_per_s")),
               formatted("from a cache: memory gives %.2f GB/s", number(r, "bandwidth_gb_per_s")));
    table.share("computed, " + scaled(number(r, "flops"), "FLOP"),
                formatted("%.1f of %.1f GFLOP/s", number(r, "gflop_per_s"), number(r, "machine_gflop_per_s")),
                number(r, "share_of_flop_rate"));
  } else if (r.contains("floor_ms")) {
    table.share("floor", milliseconds_text(number(r, "floor_ms")), number(r, "share_of_floor"));
    table.share("read, " + scaled(number(r, "bytes"), "B"),
                formatted("%.2f of %.2f GB/s", number(r, "gb_per_s"), number(r, "bandwidth_gb_per_s")),
                number(r, "share_of_bandwidth"));
    table.share("computed, " + scaled(number(r, "flops"), "FLOP"),
                formatted("%.1f of %.1f GFLOP/s", number(r, "gflop_per_s"), number(r, "machine_gflop_per_s")),
                number(r, "share_of_flop_rate"));
  }
  for (const auto& [name, label] : {std::pair{"examples_per_s", "examples a second"},
                                    {"problems_per_s", "problems a second"},
                                    {"steps_per_s", "steps a second"}}) {
    if (r.contains(name)) table.line(label, formatted("%.3f", number(r, name)));
  }
  if (r.contains("ms_prefill")) {
    table.line("of that", "question " + milliseconds_text(number(r, "ms_prefill")),
               "thoughts " + milliseconds_text(number(r, "ms_think")) + ", answer " +
                   milliseconds_text(number(r, "ms_answer")));
  }
  if (r.contains("trace_overhead"))
    table.line("recording thoughts", formatted("%+.2f %%", 100 * number(r, "trace_overhead")));
  if (r.contains("twin_ms_median")) {
    table.line("plain twin", milliseconds_text(number(r, "twin_ms_median")),
               formatted("%.2f x", number(r, "twin_ratio")));
  }
  if (r.contains("peak_memory_bytes") && !r.at("peak_memory_bytes").is_null()) {
    table.line("peak memory", scaled(number(r, "peak_memory_bytes"), "B"),
               scaled(number(r, "memory_before_bytes"), "B") + " before the first update");
  }
  if (r.contains("read_ms_median")) {
    table.line("reading the file", milliseconds_text(number(r, "read_ms_median")), scaled(number(r, "bytes"), "B"));
    table.line("loading / reading", formatted("%.2f x", number(r, "ratio_to_read")));
    table.line("every page touched", milliseconds_text(number(r, "touched_ms_median")),
               formatted("%.2f x", number(r, "touched_ratio_to_read")));
  }
}

void put_kernels(Table& table, const OrderedJson& r, const RenderOptions& options) {
  int64_t widest = 6;
  for (const OrderedJson& k : r.at("kernels"))
    widest = std::max(widest, display_width(k.at("name").get<std::string>()));
  table.text(formatted("machine: reads %.2f GB/s, multiplies %.1f GFLOP/s; times with cold caches, then warm",
                       number(r, "bandwidth_gb_per_s"), number(r, "machine_gflop_per_s")));
  table.text("");
  table.text(paint(pad("kernel", widest) + "      time    twin      warm    twin       rate  of what binds", Tone::dim,
                   options.colour));
  for (const OrderedJson& k : r.at("kernels")) {
    const bool bytes = k.at("bound") == "bytes";
    const double share = number(k, bytes ? "share_of_bandwidth" : "share_of_flop_rate");
    const std::string rate =
        bytes ? formatted("%.2f GB/s", number(k, "gb_per_s")) : formatted("%.1f GFLOP/s", number(k, "gflop_per_s"));
    const int64_t columns = std::min(kWidestBar, options.width - widest - 64);
    table.text(pad(k.at("name").get<std::string>(), widest) +
               formatted("%10s %5.2f x", milliseconds_text(number(k, "ms_median")).c_str(), number(k, "twin_ratio")) +
               formatted("%11s %5.2f x", milliseconds_text(number(k, "ms_warm_median")).c_str(),
                         number(k, "twin_warm_ratio")) +
               formatted("%13s %6.1f %% ", rate.c_str(), 100 * share) +
               (columns > 0 ? paint(bar(share, columns), Tone::lit, options.colour) : ""));
  }
}

}  // namespace

Lines bench_table(const OrderedJson& result, const RenderOptions& options) {
  Table table(options);
  table.text(title(result));
  if (result.contains("kernels")) {
    put_kernels(table, result, options);
  } else {
    table.text("");
    put_step(table, result);
  }
  return std::move(table).lines();
}

}  // namespace tacit
