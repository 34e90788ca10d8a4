#include "eval/report_columns.h"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <map>
#include <set>

#include "eval/plot/markup.h"
#include "lib/model/arithmetic.h"

namespace tacit {
namespace {

// Three digits or so, whatever the size; 0 = not measured.
std::string measured(double value) {
  if (value <= 0) return kNotMeasured;
  return significant_text(value);
}

// Three digits and a unit: "12.3 M"; 0 = unknown.
std::string with_unit(double value, std::initializer_list<const char*> units) {
  if (value <= 0) return kNotMeasured;
  auto unit = units.begin();
  for (; value >= 999.5 && unit + 1 != units.end(); ++unit) value /= 1000;
  return significant_text(value) + " " + *unit;
}

// "+3.1 [+0.9, +5.2]", in points
std::string points(const Difference& d) {
  const auto point = [](double share) {
    const std::string text = percent_text(share);
    return text == "-0.0" ? "0.0" : (share > 0 && text != "0.0" ? "+" : "") + text;
  };
  return point(d.mean) + " [" + point(d.ci.low) + ", " + point(d.ci.high) + "]";
}

// "70.3 (n 64)"
std::string share_of(double accuracy, int64_t examples) {
  return percent_text(accuracy) + " (n " + std::to_string(examples) + ")";
}

// What such an n counts, where that is not the problems.
std::string of_samples(const Comparison& comparison) {
  return comparison.samples > comparison.examples ? " (n: samples)" : "";
}

}  // namespace

std::vector<ReportColumn> report_columns(const Comparison& comparison) {
  const std::vector<ComparisonRow>& rows = comparison.rows;
  const auto column = [&](std::string head, int importance, auto&& cell) {
    ReportColumn out{.head = std::move(head), .cells = {}, .importance = importance};
    for (const ComparisonRow& row : rows) out.cells.push_back(cell(row));
    return out;
  };
  const auto any = [&](auto&& which) { return std::any_of(rows.begin(), rows.end(), which); };
  std::vector<ReportColumn> out;
  out.push_back(column("model", 10, [](const ComparisonRow& r) { return r.name; }));
  out.back().right = false;
  if (any([](const ComparisonRow& r) { return r.name != r.metrics.method; })) {
    out.push_back(column("method", 5, [](const ComparisonRow& r) { return r.metrics.method; }));
    out.back().right = false;
  }
  out.push_back(column("accuracy %", 10, [](const ComparisonRow& r) { return percent_text(r.metrics.accuracy); }));
  out.push_back(column("95 % CI", 7, [](const ComparisonRow& r) {
    return percent_text(r.metrics.accuracy_ci.low) + "–" + percent_text(r.metrics.accuracy_ci.high);
  }));
  if (!comparison.baseline.empty()) {
    const auto tested = [&](auto&& cell) {
      return [&, cell](const ComparisonRow& r) { return r.tested ? cell(r) : kNotMeasured; };
    };
    out.push_back(column("p vs " + comparison.baseline, 9,
                         tested([](const ComparisonRow& r) { return p_value_text(r.p_value); })));
    if (std::ranges::count_if(rows, &ComparisonRow::tested) > 1)
      out.push_back(column("p Holm", 6, tested([](const ComparisonRow& r) { return p_value_text(r.p_holm); })));
    if (comparison.samples > comparison.examples) {
      out.push_back(column("points vs " + comparison.baseline, 5,
                           tested([](const ComparisonRow& r) { return points(r.difference); })));
    }
  }
  const auto changed = std::ranges::count_if(rows, [](const ComparisonRow& r) { return r.clean.has_value(); });
  if (changed > 0) {
    out.push_back(column("p vs clean", 9, [](const ComparisonRow& r) {
      return r.clean ? p_value_text(r.clean->p_value) : kNotMeasured;
    }));
  }
  if (changed > 1) {
    out.push_back(column("clean, Holm", 6, [](const ComparisonRow& r) {
      return r.clean ? p_value_text(r.clean->p_holm) : kNotMeasured;
    }));
  }
  out.push_back(column("steps", 6, [](const ComparisonRow& r) { return fixed_text(r.metrics.mean_steps, 1); }));
  if (any([](const ComparisonRow& r) { return r.metrics.cut_off > 0; })) {
    out.push_back(column("cut off %", 5, [](const ComparisonRow& r) {
      return percent_text(static_cast<double>(r.metrics.cut_off) /
                          static_cast<double>(std::max<int64_t>(r.metrics.solved(), 1)));
    }));
  }
  if (any([](const ComparisonRow& r) { return r.metrics.not_extracted > 0; })) {
    out.push_back(column("no answer %", 5, [](const ComparisonRow& r) {
      return percent_text(static_cast<double>(r.metrics.not_extracted) /
                          static_cast<double>(std::max<int64_t>(r.metrics.solved(), 1)));
    }));
  }
  out.push_back(column("tokens", 3, [](const ComparisonRow& r) { return fixed_text(r.metrics.mean_tokens, 1); }));
  if (any([](const ComparisonRow& r) { return r.metrics.mean_flops > 0; })) {
    out.push_back(column("FLOPs", 5, [](const ComparisonRow& r) {
      return with_unit(r.metrics.mean_flops, {"", "k", "M", "G", "T", "P"});
    }));
    if (comparison.rows.size() > 1)
      out.push_back(column("front", 1, [](const ComparisonRow& r) { return std::string(r.on_front ? "•" : ""); }));
  }
  if (any([](const ComparisonRow& r) { return r.metrics.mean_memory_bytes > 0; })) {
    out.push_back(column("memory", 3, [](const ComparisonRow& r) {
      return with_unit(r.metrics.mean_memory_bytes, {"B", "kB", "MB", "GB", "TB"});
    }));
  }
  if (any([](const ComparisonRow& r) { return r.metrics.ms_median > 0; })) {
    out.push_back(column("ms/problem", 8, [](const ComparisonRow& r) { return measured(r.metrics.ms_median); }));
    out.push_back(column("p95", 2, [](const ComparisonRow& r) { return measured(r.metrics.ms_p95); }));
  }
  if (any([](const ComparisonRow& r) { return r.metrics.ms_prefill > 0; })) {
    for (const auto& [head, field] :
         {std::pair{"prefill", &Metrics::ms_prefill}, {"think", &Metrics::ms_think}, {"answer", &Metrics::ms_answer}})
      out.push_back(column(head, 1, [field = field](const ComparisonRow& r) { return measured(r.metrics.*field); }));
  }
  out.push_back(column("problems/s", 4, [](const ComparisonRow& r) { return measured(r.metrics.problems_per_s); }));
  return out;
}

std::vector<ReportColumn> depth_columns(const Comparison& comparison) {
  std::map<int64_t, std::set<int64_t>> depths;  // and how many samples the rows have of it
  for (const ComparisonRow& row : comparison.rows) {
    for (const DepthAccuracy& d : row.metrics.accuracy_by_depth) depths[d.depth].insert(d.examples);
  }
  if (depths.empty()) return {};
  std::vector<ReportColumn> out{{.head = "accuracy % by depth" + of_samples(comparison), .cells = {}, .right = false}};
  for (const ComparisonRow& row : comparison.rows) out[0].cells.push_back(row.name);
  for (const auto& [depth, examples] : depths) {
    const bool alike = examples.size() == 1;
    ReportColumn column{.head = std::to_string(depth), .cells = {}};
    if (alike) column.head += " (n " + std::to_string(*examples.begin()) + ")";
    for (const ComparisonRow& row : comparison.rows) {
      const auto& by_depth = row.metrics.accuracy_by_depth;
      const auto found = std::find_if(by_depth.begin(), by_depth.end(),
                                      [depth = depth](const DepthAccuracy& d) { return d.depth == depth; });
      column.cells.push_back(found == by_depth.end() ? kNotMeasured
                             : alike                 ? percent_text(found->accuracy)
                                                     : share_of(found->accuracy, found->examples));
    }
    out.push_back(std::move(column));
  }
  return out;
}

// A table whose columns are what some rows have: `cells` gives a row's, by key.
template <class Key>
static std::vector<ReportColumn> keyed_columns(
    const Comparison& comparison, const std::string& title,
    const std::function<std::map<Key, std::string>(const ComparisonRow&)>& cells,
    const std::function<std::string(const Key&)>& head) {
  std::map<Key, size_t> keys;  // and their columns
  std::vector<std::pair<std::string, std::map<Key, std::string>>> rows;
  for (const ComparisonRow& row : comparison.rows) {
    rows.emplace_back(row.name, cells(row));
    if (rows.back().second.empty()) rows.pop_back();
  }
  for (const auto& [name, row] : rows) {
    for (const auto& [key, cell] : row) keys[key] = 0;
  }
  if (keys.empty()) return {};
  std::vector<ReportColumn> out{{.head = title, .cells = {}, .right = false}};
  for (const auto& [name, row] : rows) out[0].cells.push_back(name);
  for (const auto& [key, none] : keys) {
    ReportColumn column{.head = head(key), .cells = {}};
    for (const auto& [name, row] : rows) column.cells.push_back(row.contains(key) ? row.at(key) : kNotMeasured);
    out.push_back(std::move(column));
  }
  return out;
}

std::vector<ReportColumn> seed_columns(const Comparison& comparison) {
  using Key = std::pair<uint64_t, std::string>;
  return keyed_columns<Key>(
      comparison, "accuracy % by seed" + of_samples(comparison),
      [](const ComparisonRow& row) {
        std::map<Key, std::string> cells;
        for (const SeedScore& s : row.seeds) {
          const double accuracy = static_cast<double>(s.correct) / static_cast<double>(s.examples);
          cells[{s.seed, s.model}] = share_of(accuracy, s.examples);
        }
        return cells;
      },
      [](const Key& key) { return (key.second.empty() ? "" : key.second + ", ") + std::to_string(key.first); });
}

std::vector<ReportColumn> latents_columns(const Comparison& comparison) {
  return keyed_columns<int64_t>(
      comparison, "accuracy % by thoughts",
      [](const ComparisonRow& row) {
        std::map<int64_t, std::string> cells;
        for (const LatentsScore& l : row.by_latents) {
          cells[l.latents] = percent_text(l.accuracy) + " (" + percent_text(l.accuracy_ci.low) + "–" +
                             percent_text(l.accuracy_ci.high) + ")" + unsolved_text(l);
        }
        return cells;
      },
      [](const int64_t& latents) { return std::to_string(latents); });
}

std::string unsolved_text(const LatentsScore& score) {
  return score.too_long == 0 ? "" : ", " + std::to_string(score.too_long) + " not solved";
}

std::vector<std::vector<ReportColumn>> further_tables(const Comparison& comparison) {
  std::vector<std::vector<ReportColumn>> out;
  for (auto* columns : {depth_columns, seed_columns, latents_columns}) {
    if (auto table = columns(comparison); !table.empty()) out.push_back(std::move(table));
  }
  return out;
}

std::string heuristics_text(const Comparison& comparison) {
  std::string text;
  for (const Heuristic& h : comparison.heuristics) {
    text += (text.empty() ? "label-blind rules on the same problems: " : ", ") + h.name + " " +
            percent_text(h.accuracy) + " %";
  }
  return text;
}

std::string report_title(const Comparison& comparison) {
  const std::string problems =
      std::to_string(comparison.examples) + (comparison.examples == 1 ? " problem" : " problems");
  const bool several = comparison.samples > comparison.examples;
  return comparison.title + ", " + problems +
         (several ? ", " + std::to_string(comparison.samples) + " samples a row" : "") +
         arithmetic_remark(comparison.provenance);
}

}  // namespace tacit
