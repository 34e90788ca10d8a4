#include "eval/comparison_rows.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>

#include "eval/plot/markup.h"
#include "eval/scorers/plain_text.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// The mean of those that are known.
double mean_known(const std::vector<Run>& runs, double Metrics::*field) {
  double sum = 0;
  int64_t count = 0;
  for (const Run& run : runs) {
    if (run.metrics.*field <= 0) continue;
    sum += run.metrics.*field;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

// Rules on all examples of the runs, by name in the first run's order. Runs of several models share their problems,
// whose rules count once.
std::vector<Heuristic> pool_heuristics(const std::vector<Run>& runs) {
  std::vector<Heuristic> out = runs[0].metrics.heuristics;
  for (Heuristic& h : out) {
    double right = 0;
    int64_t examples = 0;
    std::set<std::string> seen;
    h.decided = 0;
    for (const Run& run : runs) {
      if (!run.samples.empty() && !seen.insert(run.samples[0].id).second) continue;
      const auto found = std::ranges::find(run.metrics.heuristics, h.name, &Heuristic::name);
      if (found == run.metrics.heuristics.end()) return {};
      right += found->accuracy * static_cast<double>(run.metrics.examples);
      h.decided += found->decided;
      examples += run.metrics.examples;
    }
    if (runs.size() > 1) h.accuracy = right / static_cast<double>(examples);
  }
  return out;
}

Metrics known_of(const std::vector<Run>& runs) {
  Metrics known = runs[0].metrics;
  for (const auto field :
       {&Metrics::ms_median, &Metrics::ms_p95, &Metrics::ms_prefill, &Metrics::ms_think, &Metrics::ms_answer})
    known.*field = mean_known(runs, field);
  known.heuristics = pool_heuristics(runs);
  return known;
}

std::string listed(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : "; ") + part;
  return out;
}

// Whether problems have several samples that do not differ.
bool repeats_alike(const Run& run) {
  std::map<std::string, const Sample*> first;
  for (const Sample& sample : run.samples) {
    const Sample& other = *first.emplace(sample.id, &sample).first->second;
    if (other.thoughts != sample.thoughts || other.text != sample.text) return false;
  }
  return first.size() < run.samples.size();
}

// "final #2" of the second of several models that are called alike and faced the same problems.
void number_namesakes(std::vector<SeedScore>& scores) {
  std::map<std::pair<uint64_t, std::string>, std::vector<SeedScore*>> alike;
  for (SeedScore& score : scores) alike[{score.seed, score.model}].push_back(&score);
  for (const auto& [key, some] : alike) {
    for (size_t n = 0; some.size() > 1 && n < some.size(); ++n)
      some[n]->model += (key.second.empty() ? "#" : " #") + std::to_string(n + 1);
  }
}

// "direct (5 and 4 of 300; about 25,000 problems at these rates, or a difference of 5.3 points)"
std::string power_text(const ComparisonRow& row, const PairedSamples& samples) {
  const int64_t pairs = std::ssize(samples.problem);
  const double effect = samples.one_each() ? 1 : design_effect(row.difference, row.only_this, row.only_baseline, pairs);
  const PairedPower power = mcnemar_power(row.only_this, row.only_baseline, pairs, effect);
  std::string out = row.name + " (" + std::to_string(row.only_this) + " and " + std::to_string(row.only_baseline) +
                    " of " + std::to_string(pairs);
  const double pairs_a_problem = static_cast<double>(pairs) / static_cast<double>(samples.problems);
  std::string wants;
  if (power.pairs)
    wants = "about " + fixed_text(std::ceil(*power.pairs / pairs_a_problem), 0) + " problems at these rates";
  if (power.smallest_difference) {
    wants += (wants.empty() ? "" : ", or ") + std::string("a difference of ") +
             fixed_text(100 * *power.smallest_difference, 1) + " points";
  }
  return out + (wants.empty() ? "" : "; " + wants) + ")";
}

// Words, so that 1 does not stand in 12.
bool holds_words(const std::string& text, const std::string& words) {
  const auto in_word = [&](size_t at) {
    return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at]));
  };
  for (size_t at = text.find(words); at != text.npos; at = text.find(words, at + 1)) {
    if ((at == 0 || !in_word(at - 1)) && !in_word(at + words.size())) return true;
  }
  return false;
}

// Whatever the case, the commas between digits and the punctuation around it.
std::string plain_answer(const std::string& text) {
  constexpr const char* kAround = " \t\r\n.,:;!?()[]{}*$\"'";
  const auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ',' || i == 0 || !digit(i - 1) || !digit(i + 1)) out += text[i];
  }
  out.erase(0, std::min(out.find_first_not_of(kAround), out.size()));
  out.erase(out.find_last_not_of(kAround) + 1);
  return lower_case(out);
}

// By its words: how the scorer reads them a sample does not say. The answer that is scored may be spelt otherwise than
// the text, as a choice that the text names by its letter; what stands before the first marker says that again.
bool answers_again(const Sample& sample, const std::string& marker) {
  constexpr const char* kSpace = " \t\r\n";
  if (!sample.extracted) return false;
  const std::string scored = plain_answer(sample.answer);
  const std::string first = plain_answer(sample.text.substr(0, sample.text.find(marker)));
  for (size_t at = sample.text.find(marker); at != std::string::npos;) {
    const size_t behind = at + marker.size(), next = sample.text.find(marker, behind);
    std::string answer = sample.text.substr(behind, next == std::string::npos ? next : next - behind);
    answer.erase(0, std::min(answer.find_first_not_of(kSpace), answer.size()));
    answer.erase(std::min(answer.find('\n'), answer.size()));
    answer = plain_answer(answer);
    if (!answer.empty() && answer != first && !holds_words(answer, scored)) return true;
    at = next;
  }
  return false;
}

// What asks the checkpoint for its answer, "" where the run does not say.
std::string answer_marker(const OrderedJson& record) {
  static const OrderedJson::json_pointer kMarker("/settings/markers/answer");
  return record.is_object() && record.contains(kMarker) && record.at(kMarker).is_string()
             ? record.at(kMarker).get<std::string>()
             : "";
}

}  // namespace

Metrics pool_metrics(const ComparedRow& row, const PairedSamples& samples, size_t r) {
  std::vector<Sample> once;
  std::set<const Sample*> seen;
  int64_t all = 0;
  for (const Run& run : row.runs) all += std::ssize(run.samples);
  for (const Sample* sample : samples.rows[r]) {
    if (seen.insert(sample).second) once.push_back(*sample);
  }
  Metrics out = score_samples(once, known_of(row.runs));
  if (std::ssize(once) != all) out.heuristics.clear();  // which are those of all examples
  return out;
}

std::vector<SeedScore> pool_seeds(const ComparedRow& row, const PairedSamples& samples, size_t r) {
  std::vector<SeedScore> out;
  if (row.runs.size() == 1) return out;
  const bool one_model =
      std::ranges::all_of(row.runs, [&](const Run& run) { return run.metrics.model == row.runs[0].metrics.model; });
  for (size_t k = 0; k < row.runs.size(); ++k) {
    const OrderedJson& record = row.runs[k].record;
    SeedScore score{.seed = k};
    if (record.is_object() && record.contains("seed") && record.at("seed").is_number_unsigned())
      score.seed = record.at("seed").get<uint64_t>();
    if (!row.seeds.empty()) score.seed = row.seeds.at(k);
    if (!one_model) score.model = row.runs[k].metrics.model;
    for (const Sample* sample : samples.of_run(r, static_cast<int64_t>(k))) {
      ++score.examples;
      score.correct += sample->correct;
    }
    out.push_back(std::move(score));
  }
  number_namesakes(out);
  return out;
}

std::vector<LatentsScore> pool_latents(const ComparedRow& row, const Metrics& own) {
  std::vector<LatentsScore> out;
  for (const auto& [latents, runs] : row.by_latents) {
    Metrics metrics = own;
    if (!runs.empty()) {
      std::vector<Sample> all;
      for (const Run& run : runs) all.insert(all.end(), run.samples.begin(), run.samples.end());
      metrics = score_samples(all, known_of(runs));
    }
    out.push_back({latents, metrics.accuracy, metrics.accuracy_ci, metrics.mean_flops, metrics.ms_median,
                   metrics.examples, metrics.too_long});
  }
  return out;
}

bool halts_by_answer(const ComparedRow& row) {
  return std::ranges::any_of(
      row.runs, [](const Run& run) { return run.record.is_object() && run.record.value("halt", "") == "oracle"; });
}

int64_t count_answered_again(const ComparedRow& row, const PairedSamples& samples, size_t r) {
  std::set<const Sample*> found;
  for (size_t k = 0; k < row.runs.size(); ++k) {
    const std::string marker = answer_marker(row.runs[k].record);
    if (marker.empty()) continue;
    for (const Sample* sample : samples.of_run(r, static_cast<int64_t>(k))) {
      if (answers_again(*sample, marker)) found.insert(sample);
    }
  }
  return std::ssize(found);
}

void correct_for_many(Comparison& comparison) {
  std::vector<double> against_baseline, against_clean;
  for (const ComparisonRow& row : comparison.rows) {
    if (row.tested) against_baseline.push_back(row.p_value);
    if (row.clean) against_clean.push_back(row.clean->p_value);
  }
  against_baseline = holm(against_baseline);
  against_clean = holm(against_clean);
  size_t b = 0, c = 0;
  for (ComparisonRow& row : comparison.rows) {
    if (row.tested) row.p_holm = against_baseline[b++];
    if (row.clean) row.clean->p_holm = against_clean[c++];
  }
}

void mark_unsolved(std::vector<ComparisonRow>& rows, const PairedSamples& samples) {
  for (size_t i = 0; i < samples.problem.size(); ++i) {
    const auto solved = [&](size_t r) { return !samples.rows[r][i]->too_long; };
    bool any = false;
    for (size_t r = 0; r < rows.size(); ++r) any = any || (!rows[r].clean && !rows[r].halts_by_answer && solved(r));
    for (size_t r = 0; r < rows.size(); ++r) rows[r].solved_fewer = rows[r].solved_fewer || (any && !solved(r));
  }
}

void mark_front(std::vector<ComparisonRow>& rows) {
  const auto beats = [](const Metrics& a, const Metrics& b) {
    return a.mean_flops > 0 && a.mean_flops <= b.mean_flops && a.accuracy >= b.accuracy &&
           (a.mean_flops < b.mean_flops || a.accuracy > b.accuracy);
  };
  for (ComparisonRow& row : rows) {
    row.on_front =
        row.metrics.mean_flops > 0 && !row.off_front() && std::ranges::none_of(rows, [&](const ComparisonRow& other) {
          return !other.off_front() && beats(other.metrics, row.metrics);
        });
  }
}

std::vector<Disagreement> find_disagreements(const std::vector<ComparisonRow>& rows, const PairedSamples& samples) {
  constexpr size_t kMost = 8;
  std::vector<Disagreement> out;
  std::set<int64_t> shown;
  for (const bool changed_rows_too : {false, true}) {
    for (size_t i = 0; i < samples.problem.size() && out.size() < kMost; ++i) {
      std::set<bool> verdicts;
      for (size_t r = 0; r < rows.size(); ++r) {
        if (!rows[r].clean || changed_rows_too) verdicts.insert(samples.rows[r][i]->correct);
      }
      if (verdicts.size() < 2 || !shown.insert(samples.problem[i]).second) continue;
      const Sample& first = *samples.rows[0][i];
      Disagreement found{.id = first.id, .question = first.question, .expected = first.expected, .samples = {}};
      for (const auto& row : samples.rows) found.samples.push_back(*row[i]);
      out.push_back(std::move(found));
    }
  }
  return out;
}

std::string rescored_by(const OrderedJson& record) {
  const auto field = [](const OrderedJson& json, const char* name) {
    return json.is_object() ? json.value(name, OrderedJson()) : OrderedJson();
  };
  const OrderedJson again = field(record, "rescored");
  if (again.is_null()) return "";
  const auto differs = [&](const char* name) { return field(again, name) != field(record, name); };
  std::string out = again.at("scorers").at(0).get<std::string>();
  if (differs("task") || differs("task_sha256")) {
    out += ", as task " + again.at("task").get<std::string>();
    if (again.contains("task_sha256")) out += " of " + again.at("task_sha256").get<std::string>().substr(0, 8);
  }
  if (again.contains("data") && differs("data_sha256")) out += ", on " + again.at("data").get<std::string>();
  return out;
}

std::vector<std::string> notes_on_rescoring(const std::vector<ComparedRow>& rows) {
  std::map<std::string, std::string> found;  // by what: which rows
  const auto look = [&](const std::string& name, const std::vector<Run>& runs) {
    std::map<std::string, size_t> counts;
    for (const Run& run : runs) ++counts[rescored_by(run.record)];
    for (const auto& [by, count] : counts) {
      std::string& which = found[by];
      if (!which.empty()) which += ", ";
      if (count < runs.size()) which += std::to_string(count) + " of " + std::to_string(runs.size()) + " runs of ";
      which += name;
    }
  };
  for (const ComparedRow& row : rows) {
    look(row.name, row.runs);
    for (const auto& [latents, runs] : row.by_latents)
      look(row.name + " with " + std::to_string(latents) + (latents == 1 ? " thought" : " thoughts"), runs);
  }
  found.erase("");
  std::vector<std::string> notes;
  for (const auto& [by, which] : found)
    notes.push_back(which + " scored again by " + by + " ('tacit rescore' after the run's own command)");
  return notes;
}

std::vector<std::string> notes_on_tests(const Comparison& comparison, const PairedSamples& samples) {
  std::vector<std::string> notes;
  if (!samples.one_each()) {
    notes.push_back(std::to_string(samples.problem.size()) + " samples of " + std::to_string(samples.problems) +
                    " problems: those of one problem are drawn together for intervals and differences, and tested "
                    "together");
  }
  std::vector<std::string> alike;
  for (const ComparisonRow& row : comparison.rows) {
    if (row.tested && row.only_this + row.only_baseline == 0) alike.push_back(row.name + " and " + comparison.baseline);
    if (row.clean && row.clean->only_this + row.clean->only_other == 0)
      alike.push_back(row.name + " and " + row.clean->against);
  }
  if (!alike.empty()) {
    notes.push_back("right and wrong on the same problems, so that a test has nothing to tell them apart by (p = 1): " +
                    listed(alike));
  }
  if (comparison.baseline.empty()) return notes;
  std::vector<std::string> open;
  for (const ComparisonRow& row : comparison.rows) {
    if (row.tested && row.only_this + row.only_baseline > 0 && row.p_holm >= .05)
      open.push_back(power_text(row, samples));
  }
  if (!open.empty()) {
    notes.push_back("not told from " + comparison.baseline +
                    " (right alone; what McNemar's test at 5 % finds with 80 % power): " + listed(open));
  }
  return notes;
}

std::vector<std::string> notes_on_runs(const std::vector<ComparedRow>& rows, const PairedSamples& samples) {
  std::vector<std::string> notes;
  std::string alike;
  for (const ComparedRow& row : rows) {
    const auto same = [&](const Run& run) {
      return std::ranges::equal(run.samples, row.runs[0].samples, [](const Sample& a, const Sample& b) {
        return a.id == b.id && a.repeat == b.repeat && a.question == b.question && a.text == b.text;
      });
    };
    if (row.runs.size() > 1 && std::ranges::all_of(row.runs, same)) alike += (alike.empty() ? "" : ", ") + row.name;
  }
  if (!alike.empty())
    notes.push_back("the runs of these rows are all alike, so that several say no more than one: " + alike);
  std::string repeated;
  for (const ComparedRow& row : rows) {
    if (std::ranges::all_of(row.runs, repeats_alike)) repeated += (repeated.empty() ? "" : ", ") + row.name;
  }
  if (!repeated.empty())
    notes.push_back("the repeats of a problem are all alike in these rows, so that several say no more than one: " +
                    repeated);
  std::string fewer;
  for (const ComparedRow& row : rows) {
    if (std::ssize(row.runs) < samples.runs)
      fewer += (fewer.empty() ? "" : ", ") + row.name + " " + std::to_string(row.runs.size());
  }
  if (!fewer.empty()) {
    notes.push_back("of " + std::to_string(samples.runs) +
                    " runs these rows have fewer, each of which stands for several, "
                    "so that p against rows of more is approximate: " +
                    fewer);
  }
  std::string more;
  for (const ComparedRow& row : rows) {
    std::set<std::string> problems;
    for (const Run& run : row.runs) {
      for (const Sample& sample : run.samples) problems.insert(sample.id);
    }
    if (std::ssize(problems) > samples.problems)
      more += (more.empty() ? "" : ", ") + row.name + " has " + std::to_string(problems.size());
  }
  if (!more.empty())
    notes.push_back("compared on the " + std::to_string(samples.problems) + " problems that all rows have; " + more);
  std::map<std::string, std::set<int64_t>> repeats;  // by row
  for (const ComparedRow& row : rows) {
    for (const Run& run : row.runs) {
      for (const Sample& sample : run.samples) repeats[row.name].insert(sample.repeat);
    }
  }
  std::set<int64_t> common;
  for (const Sample* sample : samples.rows[0]) common.insert(sample->repeat);
  std::string longer;
  for (const ComparedRow& row : rows) {
    const size_t own = repeats[row.name].size();
    if (own > common.size()) longer += (longer.empty() ? "" : ", ") + row.name + " has " + std::to_string(own);
  }
  if (!longer.empty()) {
    const std::string of_each = common.size() == 1 ? "the one sample of a problem"
                                                   : "the " + std::to_string(common.size()) + " samples of a problem";
    notes.push_back("compared on " + of_each + " (repeats) that all rows have; " + longer);
  }
  return notes;
}

}  // namespace tacit
