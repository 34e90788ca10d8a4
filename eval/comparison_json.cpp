#include "eval/compare.h"
#include "eval/report_findings.h"

namespace tacit {
namespace {

OrderedJson interval_json(const Interval& interval) { return OrderedJson::array_t{interval.low, interval.high}; }

void put_difference(OrderedJson& json, const Difference& difference) {
  json["difference"] = difference.mean;
  json["difference_ci"] = interval_json(difference.ci);
}

OrderedJson seeds_json(const std::vector<SeedScore>& seeds) {
  OrderedJson out = OrderedJson::array();
  for (const SeedScore& s : seeds) {
    out.push_back({{"seed", s.seed}, {"examples", s.examples}, {"correct", s.correct}});
    if (!s.model.empty()) out.back()["model"] = s.model;
  }
  return out;
}

OrderedJson latents_json(const std::vector<LatentsScore>& by_latents) {
  OrderedJson out = OrderedJson::array();
  for (const LatentsScore& l : by_latents) {
    out.push_back({{"latents", l.latents},
                   {"accuracy", l.accuracy},
                   {"accuracy_ci", interval_json(l.accuracy_ci)},
                   {"mean_flops", l.mean_flops},
                   {"ms_median", l.ms_median > 0 ? OrderedJson(l.ms_median) : OrderedJson()}});
    if (l.too_long > 0) out.back()["too_long"] = l.too_long;
  }
  return out;
}

OrderedJson disagreements_json(const Comparison& comparison) {
  OrderedJson out = OrderedJson::array();
  for (const Disagreement& d : comparison.disagreements) {
    OrderedJson rows = OrderedJson::array();
    for (size_t r = 0; r < d.samples.size(); ++r) {
      const Sample& s = d.samples[r];
      rows.push_back({{"name", comparison.rows[r].name},
                      {"correct", s.correct},
                      {"answer", s.answer},
                      {"text", s.text},
                      {"thoughts", s.thoughts}});
    }
    out.push_back({{"id", d.id}, {"question", d.question}, {"expected", d.expected}, {"rows", rows}});
  }
  return out;
}

OrderedJson row_json(const ComparisonRow& row) {
  OrderedJson json = {{"name", row.name}};
  json.update(to_json(row.metrics));
  json.erase("heuristics");  // once for all rows
  const auto if_tested = [&](auto value) { return row.tested ? OrderedJson(value) : OrderedJson(); };
  json["only_this"] = if_tested(row.only_this);
  json["only_baseline"] = if_tested(row.only_baseline);
  json["p_value"] = if_tested(row.p_value);
  json["p_holm"] = if_tested(row.p_holm);
  if (row.tested) put_difference(json, row.difference);
  if (row.clean) {
    OrderedJson& clean = json["clean"] = {{"against", row.clean->against},
                                          {"only_this", row.clean->only_this},
                                          {"only_clean", row.clean->only_other},
                                          {"p_value", row.clean->p_value},
                                          {"p_holm", row.clean->p_holm}};
    put_difference(clean, row.clean->difference);
  }
  if (!row.seeds.empty()) json["seeds"] = seeds_json(row.seeds);
  if (!row.by_latents.empty()) json["by_latents"] = latents_json(row.by_latents);
  json["on_front"] = row.on_front;
  if (row.halts_by_answer) json["halts_by_answer"] = true;
  if (row.solved_fewer) json["solved_fewer"] = true;
  if (row.answered_again > 0) json["answered_again"] = row.answered_again;
  return json;
}

}  // namespace

OrderedJson to_json(const Comparison& comparison) {
  OrderedJson rows = OrderedJson::array();
  for (const ComparisonRow& row : comparison.rows) rows.push_back(row_json(row));
  return {{"title", comparison.title},
          {"task", comparison.task},
          {"examples", comparison.examples},
          {"samples", comparison.samples},
          {"baseline", comparison.baseline},
          {"rows", rows},
          {"heuristics", to_json(comparison.heuristics)},
          {"disagreements", disagreements_json(comparison)},
          {"notes", comparison.notes},
          {"findings", negative_findings(comparison)},
          {"provenance", comparison.provenance}};
}

}  // namespace tacit
