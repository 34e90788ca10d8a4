#include "eval/metrics.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>
#include <unordered_map>

#include "lib/core/error.h"

namespace tacit {

// By sample: the number of its problem.
static std::vector<int64_t> problems_of(const std::vector<Sample>& samples) {
  std::unordered_map<std::string_view, int64_t> number;
  std::vector<int64_t> out;
  for (const Sample& s : samples) out.push_back(number.emplace(s.id, std::ssize(number)).first->second);
  return out;
}

// By scorer, in the order of the first sample.
static std::vector<ScorerMetrics> count_scores(const std::vector<Sample>& samples,
                                               const std::vector<int64_t>& problems) {
  std::vector<ScorerMetrics> out;
  for (size_t n = 0; n < samples[0].scores.size(); ++n) {
    ScorerMetrics m{.scorer = samples[0].scores[n].scorer};
    std::vector<double> right;
    for (const Sample& s : samples) {
      const auto found = std::ranges::find(s.scores, m.scorer, &OtherScore::scorer);
      require(found != s.scores.end(), "score_samples", "expected every sample to be scored by '", m.scorer,
              "' but got none in '", s.id, "'");
      m.correct += found->score.correct;
      m.not_extracted += !found->score.extracted && !s.too_long;
      right.push_back(found->score.correct);
    }
    m.accuracy = static_cast<double>(m.correct) / static_cast<double>(samples.size());
    m.accuracy_ci = share_interval(clusters_of(right, problems));
    out.push_back(std::move(m));
  }
  return out;
}

static DepthAccuracy at_depth(int64_t depth, const std::vector<size_t>& places, const std::vector<Sample>& samples) {
  std::vector<double> right;
  std::vector<int64_t> problems;
  std::unordered_map<std::string_view, int64_t> number;
  for (const size_t i : places) {
    right.push_back(samples[i].correct);
    problems.push_back(number.emplace(samples[i].id, std::ssize(number)).first->second);
  }
  const double accuracy = std::accumulate(right.begin(), right.end(), 0.) / static_cast<double>(right.size());
  return {depth, std::ssize(places), accuracy, share_interval(clusters_of(right, problems))};
}

Metrics score_samples(const std::vector<Sample>& samples, Metrics known) {
  require(!samples.empty(), "score_samples", "expected at least one sample");
  Metrics m = std::move(known);
  m.examples = std::ssize(samples);
  m.correct = m.not_extracted = m.cut_off = m.answers_cut_off = m.too_long = 0;
  std::vector<double> right;
  std::map<int64_t, std::vector<size_t>> by_depth;  // places of the samples
  double ms = 0, recurrences = 0, flops = 0, memory = 0;
  int64_t steps = 0, tokens = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const Sample& s = samples[i];
    m.correct += s.correct;
    m.not_extracted += !s.extracted && !s.too_long;
    right.push_back(s.correct);
    steps += s.steps;
    tokens += s.tokens;
    recurrences += s.recurrences;
    flops += static_cast<double>(s.flops);
    memory += static_cast<double>(s.memory_bytes);
    m.cut_off += s.cut_off;
    m.answers_cut_off += s.answer_cut_off;
    m.too_long += s.too_long;
    ms += s.ms_prefill + s.ms_think + s.ms_answer;
    if (s.depth) by_depth[*s.depth].push_back(i);
  }
  const double count = static_cast<double>(m.examples);
  m.accuracy = static_cast<double>(m.correct) / count;
  const std::vector<int64_t> problems = problems_of(samples);
  m.accuracy_ci = share_interval(clusters_of(right, problems));
  const auto solved = static_cast<double>(m.solved());
  const auto mean = [&](double sum) { return solved > 0 ? sum / solved : 0; };
  m.mean_steps = mean(static_cast<double>(steps));
  m.mean_tokens = mean(static_cast<double>(tokens));
  m.mean_flops = mean(flops);
  m.mean_memory_bytes = mean(memory);
  m.mean_recurrences = mean(recurrences);
  m.problems_per_s = ms > 0 ? 1000 * solved / ms : 0;
  m.scorers = count_scores(samples, problems);
  m.accuracy_by_depth.clear();
  for (const auto& [depth, places] : by_depth) m.accuracy_by_depth.push_back(at_depth(depth, places, samples));
  return m;
}

OrderedJson to_json(const std::vector<Heuristic>& heuristics) {
  OrderedJson json = OrderedJson::array();
  for (const Heuristic& h : heuristics) {
    json.push_back({{"name", h.name}, {"rule", h.rule}, {"accuracy", h.accuracy}, {"decided", h.decided}});
  }
  return json;
}

OrderedJson to_json(const Metrics& m) {
  OrderedJson depths = OrderedJson::array();
  for (const DepthAccuracy& d : m.accuracy_by_depth)
    depths.push_back({{"depth", d.depth},
                      {"examples", d.examples},
                      {"accuracy", d.accuracy},
                      {"accuracy_ci", OrderedJson::array_t{d.accuracy_ci.low, d.accuracy_ci.high}}});
  const auto ms = [&](double value) { return m.ms_median > 0 ? OrderedJson(value) : OrderedJson(); };
  OrderedJson json = {{"model", m.model},
                      {"method", m.method},
                      {"task", m.task},
                      {"examples", m.examples},
                      {"correct", m.correct},
                      {"not_extracted", m.not_extracted},
                      {"accuracy", m.accuracy},
                      {"accuracy_ci", OrderedJson::array_t{m.accuracy_ci.low, m.accuracy_ci.high}},
                      {"mean_steps", m.mean_steps},
                      {"mean_tokens", m.mean_tokens},
                      {"mean_flops", m.mean_flops},
                      {"mean_memory_bytes", m.mean_memory_bytes},
                      {"cut_off", m.cut_off},
                      {"answers_cut_off", m.answers_cut_off},
                      {"too_long", m.too_long},
                      {"ms_median", ms(m.ms_median)},
                      {"ms_p95", ms(m.ms_p95)},
                      {"ms_prefill", ms(m.ms_prefill)},
                      {"ms_think", ms(m.ms_think)},
                      {"ms_answer", ms(m.ms_answer)},
                      {"problems_per_s", m.problems_per_s},
                      {"accuracy_by_depth", depths},
                      {"heuristics", to_json(m.heuristics)}};
  if (m.mean_recurrences > 0) json["mean_recurrences"] = m.mean_recurrences;
  for (const ScorerMetrics& s : m.scorers) {
    json["scorers"].push_back({{"scorer", s.scorer},
                               {"correct", s.correct},
                               {"not_extracted", s.not_extracted},
                               {"accuracy", s.accuracy},
                               {"accuracy_ci", OrderedJson::array_t{s.accuracy_ci.low, s.accuracy_ci.high}}});
  }
  return json;
}

static std::vector<JsonReader> read_list(const JsonReader& in, const Json& json, std::string_view name,
                                         const std::string& operation, const std::string& source) {
  std::vector<JsonReader> items;
  if (!in.has(name)) return items;
  const Json& list = json.at(std::string(name));
  if (!list.is_array()) in.reject(name, "to be a list");
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string prefix = std::string(name) + "[" + std::to_string(i) + "]";
    if (!list[i].is_object()) in.reject(name, "to be a list of objects");
    items.emplace_back(list[i], operation, source, prefix);
  }
  return items;
}

static Interval read_interval(const JsonReader& in) {
  if (!in.has("accuracy_ci")) return {};
  const Json& ci = in.json().at("accuracy_ci");
  if (!ci.is_array() || ci.size() != 2 || !ci[0].is_number() || !ci[1].is_number()) {
    in.reject("accuracy_ci", "to be a list of two numbers");
  }
  return {ci[0].get<double>(), ci[1].get<double>()};
}

Metrics metrics_from_json(const Json& json, const std::string& operation, const std::string& source) {
  const JsonReader in(json, operation, source);
  Metrics m;
  m.model = in.string("model");
  m.method = in.string("method");
  m.task = in.string("task");
  m.examples = in.integer("examples");
  m.correct = in.integer("correct");
  m.not_extracted = in.integer("not_extracted");
  m.accuracy = in.number("accuracy");
  m.accuracy_ci = read_interval(in);
  m.mean_steps = in.number("mean_steps", 0);
  m.mean_tokens = in.number("mean_tokens", 0);
  m.mean_flops = in.number("mean_flops", 0);
  m.mean_memory_bytes = in.number("mean_memory_bytes", 0);
  m.mean_recurrences = in.number("mean_recurrences", 0);
  m.cut_off = in.integer("cut_off", 0);
  m.answers_cut_off = in.integer("answers_cut_off", 0);
  m.too_long = in.integer("too_long", 0);
  m.ms_median = in.number("ms_median", 0);
  m.ms_p95 = in.number("ms_p95", 0);
  m.ms_prefill = in.number("ms_prefill", 0);
  m.ms_think = in.number("ms_think", 0);
  m.ms_answer = in.number("ms_answer", 0);
  m.problems_per_s = in.number("problems_per_s", 0);
  for (const JsonReader& item : read_list(in, json, "accuracy_by_depth", operation, source)) {
    m.accuracy_by_depth.push_back(
        {item.integer("depth"), item.integer("examples"), item.number("accuracy"), read_interval(item)});
  }
  for (const JsonReader& item : read_list(in, json, "scorers", operation, source)) {
    m.scorers.push_back({item.string("scorer"), item.integer("correct"), item.integer("not_extracted"),
                         item.number("accuracy"), read_interval(item)});
  }
  for (const JsonReader& item : read_list(in, json, "heuristics", operation, source)) {
    m.heuristics.push_back(
        {item.string("name"), item.string("rule"), item.number("accuracy"), item.integer("decided")});
  }
  return m;
}

}  // namespace tacit
