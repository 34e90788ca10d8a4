#include <algorithm>
#include <map>

#include "eval/plot/markup.h"
#include "eval/report_html_parts.h"
#include "eval/report_plots.h"
#include "eval/thought_readout.h"

namespace tacit::html {
namespace {

constexpr size_t kMostExamples = 8, kWhenAllAgree = 3, kMostSteps = 24, kMostWords = 10;
constexpr int64_t kQuestion = 1600, kChain = 700, kAnswer = 80, kWord = 18;

using NamedRun = std::pair<std::string, Run>;

// A problem with what each row made of it; null where the row's sample is not known.
struct Shown {
  std::string id, question, expected;
  std::vector<const Sample*> samples;  // by row
};

std::vector<Shown> recorded(const Comparison& comparison) {
  std::vector<Shown> out;
  for (const Disagreement& d : comparison.disagreements) {
    if (out.size() == kMostExamples) break;
    Shown shown{d.id, d.question, d.expected, {}};
    for (size_t r = 0; r < comparison.rows.size(); ++r)
      shown.samples.push_back(r < d.samples.size() ? &d.samples[r] : nullptr);
    out.push_back(std::move(shown));
  }
  return out;
}

// Problems that all rows have, by id and repeat, in the first row's order.
std::vector<Shown> common(const Comparison& comparison, const std::vector<NamedRun>& runs) {
  using Key = std::pair<std::string, int64_t>;
  std::vector<std::map<Key, const Sample*>> by_row(comparison.rows.size());
  const Run* first = nullptr;
  for (size_t r = 0; r < comparison.rows.size(); ++r) {
    const auto run = std::ranges::find_if(runs, [&](const NamedRun& n) { return n.first == comparison.rows[r].name; });
    if (run == runs.end()) continue;
    if (first == nullptr) first = &run->second;
    for (const Sample& s : run->second.samples) by_row[r].emplace(Key{s.id, s.repeat}, &s);
  }
  std::vector<Shown> out;
  if (first == nullptr) return out;
  for (const Sample& s : first->samples) {
    Shown shown{s.id, s.question, s.expected, {}};
    bool all = true;
    for (const auto& samples : by_row) {
      const auto found = samples.find({s.id, s.repeat});
      all = all && (samples.empty() || found != samples.end());
      shown.samples.push_back(found == samples.end() ? nullptr : found->second);
    }
    if (all) out.push_back(std::move(shown));
  }
  return out;
}

// The recorded disagreements; else, where no row differs from another (`agree`), the first few.
std::vector<Shown> choose(const Comparison& comparison, const std::vector<NamedRun>& runs, bool* agree) {
  *agree = false;
  std::vector<Shown> out = recorded(comparison);
  if (!out.empty()) return out;
  const std::vector<Shown> all = common(comparison, runs);
  *agree = true;
  out.assign(all.begin(), all.begin() + std::min(all.size(), kWhenAllAgree));
  return out;
}

struct WordRow {
  std::string word;
  std::vector<double> share;  // by step; 0 = not among the likeliest
  double most = 0;
  size_t first = 0;  // step in which it first stands
};

std::vector<WordRow> word_rows(const std::vector<ReadoutStep>& steps, size_t shown, size_t* hidden) {
  std::vector<WordRow> rows;
  for (size_t k = 0; k < shown; ++k) {
    for (const auto& [word, share] : steps[k]) {
      auto row = std::ranges::find_if(rows, [&](const WordRow& r) { return r.word == word; });
      if (row == rows.end()) row = rows.insert(rows.end(), {word, std::vector<double>(shown), 0, k});
      row->share[k] += share;
      row->most = std::max(row->most, row->share[k]);
    }
  }
  std::ranges::stable_sort(rows, [](const WordRow& a, const WordRow& b) { return a.most > b.most; });
  *hidden = rows.size() - std::min(rows.size(), kMostWords);
  rows.resize(rows.size() - *hidden);
  std::ranges::stable_sort(rows, [](const WordRow& a, const WordRow& b) { return a.first < b.first; });
  return rows;
}

std::string whole_percent(double share) { return fixed_text(100 * share, 0); }

// Steps across, likeliest tokens down; the darker, the likelier.
std::string heat_map(const std::vector<ReadoutStep>& steps, const Sample& sample) {
  const size_t shown = std::min(steps.size(), kMostSteps);
  size_t hidden = 0;
  const std::vector<WordRow> rows = word_rows(steps, shown, &hidden);
  std::string out = "<table class=\"heat\"><thead><tr><td></td>";
  for (size_t k = 0; k < shown; ++k) out += "<th scope=\"col\">" + std::to_string(k + 1) + "</th>";
  out += "</tr></thead><tbody>";
  for (const WordRow& row : rows) {
    const bool expected = row.word == sample.expected, given = row.word == sample.answer;
    out += "<tr><th scope=\"row\">" + escape_markup(shortened(row.word, kWord)) +
           (expected ? " <em class=\"ok\">✓</em>"
            : given  ? " <em class=\"no\">✗</em>"
                     : "") +
           "</th>";
    for (const double share : row.share) {
      if (share <= 0) {
        out += "<td></td>";
        continue;
      }
      const std::string text = whole_percent(share);
      out += "<td" + std::string(share >= .55 ? " class=\"d\"" : "") + " style=\"--p:" + text + "\">" + text + "</td>";
    }
    out += "</tr>";
  }
  out += "</tbody></table>";
  std::string rest;
  if (hidden > 0) rest += std::to_string(hidden) + " dimmer " + (hidden == 1 ? "token" : "tokens");
  if (steps.size() > shown) rest += (rest.empty() ? "" : ", ") + std::to_string(steps.size() - shown) + " later steps";
  return out + (rest.empty() ? "" : "<p class=\"more\">not shown: " + rest + "</p>");
}

std::string verdict(const Sample& sample) {
  return sample.correct ? "<span class=\"ok\">✓ right</span>" : "<span class=\"no\">✗ wrong</span>";
}

std::string answer_text(const Sample& sample) {
  if (!sample.extracted && sample.answer.empty()) return "<i>none</i>";
  return "<code>" + escape_markup(shortened(sample.answer, kAnswer)) + "</code>";
}

// "+swap ✓ 14": what the changed rows of a row answered.
std::string changed_answers(const Comparison& comparison, const Shown& shown, const std::string& clean) {
  std::string out;
  for (size_t r = 0; r < comparison.rows.size(); ++r) {
    const ComparisonRow& row = comparison.rows[r];
    if (!row.clean || row.clean->against != clean || shown.samples[r] == nullptr) continue;
    const Sample& s = *shown.samples[r];
    out += "<span class=\"chip\">" + escape_markup(change_of(row)) + " " +
           (s.correct ? "<span class=\"ok\">✓</span> " : "<span class=\"no\">✗</span> ") + answer_text(s) + "</span> ";
  }
  return out.empty() ? "" : "<p class=\"chips\">" + out + "</p>";
}

std::string thoughts_of(const Sample& sample) {
  const auto readouts = parse_readouts(sample.thoughts);
  if (readouts) return "<div class=\"wide\">" + heat_map(*readouts, sample) + "</div>";
  if (sample.thoughts.empty()) return "";
  return "<p class=\"chain\">" + escape_markup(shortened(sample.thoughts, kChain)) + "</p>" +
         (sample.cut_off ? "<p class=\"more\">ran into the cap on words</p>" : "");
}

// What was written where it says more than the answer, or none was found in it.
std::string text_of(const Sample& sample) {
  if (sample.text.empty() || sample.text == sample.answer || !sample.choices.empty()) return "";
  return "<p class=\"chain\">" + escape_markup(shortened(sample.text, kChain)) + "</p>" +
         (sample.answer_cut_off ? "<p class=\"more\">ran into the cap on answer tokens</p>" : "");
}

std::string example(const Comparison& comparison, const Shown& shown, size_t number, size_t count) {
  std::string rows;
  for (size_t r = 0; r < comparison.rows.size(); ++r) {
    const ComparisonRow& row = comparison.rows[r];
    if (row.clean || shown.samples[r] == nullptr) continue;
    const Sample& s = *shown.samples[r];
    rows += "<div class=\"row\"><h4>" + key(comparison, row.name) + "<span>" + escape_markup(row.name) + "</span> " +
            verdict(s) + " " + answer_text(s) + "</h4>" + thoughts_of(s) + text_of(s) +
            changed_answers(comparison, shown, row.name) + "</div>\n";
  }
  return "<article class=\"ex\" aria-label=\"example " + std::to_string(number) + "\"><h3>" + std::to_string(number) +
         " of " + std::to_string(count) + " <span class=\"id\">" + escape_markup(shown.id) +
         "</span></h3>\n<p class=\"question\">" + escape_markup(shortened(shown.question, kQuestion)) +
         "</p>\n<p>expected <code>" + escape_markup(shortened(shown.expected, kAnswer)) +
         "</code></p>\n<div class=\"rows\">\n" + rows + "</div></article>\n";
}

}  // namespace

std::string examples(const Comparison& comparison, const std::vector<NamedRun>& runs) {
  bool agree = false, readouts = false;
  const std::vector<Shown> chosen = choose(comparison, runs, &agree);
  if (chosen.empty()) return "";
  std::string articles;
  for (size_t i = 0; i < chosen.size(); ++i) {
    articles += example(comparison, chosen[i], i + 1, chosen.size());
    for (const Sample* s : chosen[i].samples) readouts = readouts || (s != nullptr && parse_readouts(s->thoughts));
  }
  if (comparison.rows.size() == 1) agree = true;
  std::string text = comparison.rows.size() == 1 ? "The first problems."
                     : agree ? "Every row is right or wrong on the same problems; the first of them."
                             : "The first problems that some rows get right and others wrong.";
  if (readouts) {
    text +=
        " Of thoughts that are vectors the table shows what the vocabulary reads in each: thoughts across, the "
        "likeliest tokens down, percent.";
  }
  return section("examples", agree ? "Examples" : "Where they disagree",
                 "<p class=\"lead\">" + text + "</p>\n<div class=\"exs\">\n" + articles + "</div>\n");
}

}  // namespace tacit::html
