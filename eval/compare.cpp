#include "eval/compare.h"

#include <algorithm>
#include <map>

#include "eval/comparison_rows.h"
#include "eval/paired_samples.h"
#include "eval/report_columns.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

using NamedRun = std::pair<std::string, Run>;

// Run k of every row, by the rows' names.
std::vector<std::pair<std::string, OrderedJson>> records_of(const std::vector<ComparedRow>& rows, size_t k) {
  std::vector<std::pair<std::string, OrderedJson>> out;
  for (const ComparedRow& row : rows) out.emplace_back(row.name, row.run(k).record);
  return out;
}

OrderedJson field(const OrderedJson& record, const char* name) {
  const auto found = record.is_object() ? record.find(name) : record.end();
  return found == record.end() ? OrderedJson() : *found;
}

// By their records where both have one: a method's name says what is not its checkpoint's own, so that two names may
// mean the same.
void require_same_method(const std::string& row, const Run& a, const Run& b) {
  if (a.record.is_object() && b.record.is_object() && a.record.contains("max_steps") &&
      b.record.contains("max_steps")) {
    tacit::require_same_method(row, a.record, b.record);
  } else {
    require(a.metrics.method == b.metrics.method, "compare", "expected runs of one method in row '", row, "' but got '",
            a.metrics.method, "' and '", b.metrics.method, "'");
  }
}

void check_rows(const std::vector<ComparedRow>& rows, const std::string& baseline) {
  require(!rows.empty(), "compare", "expected at least one run");
  std::vector<std::string> names;
  size_t most = 1;
  for (const ComparedRow& row : rows) most = std::max(most, row.runs.size());
  for (const ComparedRow& row : rows) {
    require(std::find(names.begin(), names.end(), row.name) == names.end(), "compare",
            "expected names that differ but got '", row.name, "' twice; NAME=DIR gives a row another");
    names.push_back(row.name);
    require(!row.runs.empty(), "compare", "expected at least one run of row '", row.name, "'");
    require(most % row.runs.size() == 0, "compare", "expected a number of runs that divides ", most,
            ", as many as another row has, of row '", row.name, "' but got ", row.runs.size());
    const Metrics& first = rows[0].runs[0].metrics;
    for (const Run& run : row.runs) {
      require(run.metrics.task == first.task, "compare", "expected runs of one task but got '", first.task, "' (",
              rows[0].name, ") and '", run.metrics.task, "' (", row.name, ")");
      require_same_method(row.name, row.runs[0], run);
    }
  }
  for (size_t k = 0; k < most; ++k) require_same_problems(records_of(rows, k));
  require(baseline.empty() || std::find(names.begin(), names.end(), baseline) != names.end(), "compare",
          "expected the baseline to be one of the runs but got '", baseline, "'", did_you_mean(baseline, names));
}

// Recorded fields that only say by another name what a report says anyhow.
bool is_repetition(const std::string& name) {
  static const std::vector<std::string> all = {
      "command", "model", "model_path", "data_path", "settings", "config_sha256", "tokenizer_sha256", "method", "task"};
  return std::find(all.begin(), all.end(), name) != all.end();
}

// Of a row: a field that its runs differ in is the list of what they say.
OrderedJson record_of(const ComparedRow& row) {
  std::vector<OrderedJson> records;
  for (const Run& run : row.runs) {
    if (!run.record.is_object()) return nullptr;
    records.push_back(run.record);
    if (OrderedJson writing = writing_of(run.record); !writing.is_null())
      records.back()["writing"] = std::move(writing);
  }
  OrderedJson merged = records[0];
  for (const OrderedJson& record : records) {
    for (const auto& [key, value] : record.items()) {
      if (!merged.contains(key)) merged[key] = nullptr;
    }
  }
  for (auto& [key, value] : merged.items()) {
    const auto same = [name = key, first = value](const OrderedJson& r) { return field(r, name.c_str()) == first; };
    if (std::ranges::all_of(records, same)) continue;
    value = OrderedJson::array();
    for (const OrderedJson& record : records) value.push_back(field(record, key.c_str()));
  }
  return merged;
}

OrderedJson merge_records(const std::vector<std::pair<std::string, OrderedJson>>& records) {
  OrderedJson merged = OrderedJson::object(), by_row = OrderedJson::object();
  for (const auto& [name, record] : records) {
    if (!record.is_object()) return nullptr;
    for (const auto& [key, value] : record.items()) {
      if (is_repetition(key)) continue;
      if (!merged.contains(key)) merged[key] = value;
      const auto same = [&, name = key](const auto& other) {
        return field(other.second, name.c_str()) == merged[name];
      };
      if (!std::ranges::all_of(records, same)) by_row[key] = nullptr;
    }
  }
  for (const auto& [key, none] : by_row.items()) {
    merged.erase(key);
    for (const auto& [name, record] : records) by_row[key][name] = field(record, key.c_str());
  }
  if (!by_row.empty()) merged["by_row"] = std::move(by_row);
  return merged;
}

using Condition = std::pair<const char*, const char*>;  // field of a record, and what is said where it differs

// Of asking and scoring.
constexpr Condition kRules[] = {{"scorers", "scorers differ"},
                                {"task_sha256", "task files differ"},
                                {"prompt", "prompts differ"},
                                {"max_answer_tokens", "most tokens of an answer differ"}};

// Of the arithmetic, which lets accuracies differ by rounding.
constexpr Condition kNumbers[] = {{"dtype", "dtype differs"}, {"weights", "format of weights differs"}};

// What lets accuracies differ by other rules, or by rounding, and times by much.
std::vector<std::string> find_notes(const std::vector<std::pair<std::string, OrderedJson>>& records) {
  constexpr Condition kConditions[] = {{"device", "device differs"},
                                       {"cpu", "CPU differs"},
                                       {"threads", "threads differ"},
                                       {"batch", "batch differs"},
                                       {"versions", "versions differ"}};
  std::vector<std::string> notes;
  std::vector<Condition> all(std::begin(kRules), std::end(kRules));
  all.insert(all.end(), std::begin(kNumbers), std::end(kNumbers));
  all.insert(all.end(), std::begin(kConditions), std::end(kConditions));
  for (const auto& [what, title] : all) {
    std::string each;
    bool same = true;
    for (const auto& [name, record] : records) {
      if (record.is_null()) return {};
      const OrderedJson value = field(record, what);
      same = same && value == field(records[0].second, what);
      const std::string text = recorded_text(value);
      each += (each.empty() ? "" : ", ") + name + " " + (value.is_object() ? "(" + text + ")" : text);
    }
    if (!same) notes.push_back(std::string(title) + ": " + each);
  }
  return notes;
}

// Rows that pool what was asked or scored by several rules, or computed in several kinds of numbers.
std::vector<std::string> find_mixed_rows(const std::vector<ComparedRow>& rows) {
  std::vector<std::string> notes;
  std::vector<Condition> all(std::begin(kRules), std::end(kRules));
  all.insert(all.end(), std::begin(kNumbers), std::end(kNumbers));
  for (const ComparedRow& row : rows) {
    const auto ends = [](const Run& run) {
      return std::pair(field(field(run.record, "settings"), "markers"), field(run.record, "end_tokens"));
    };
    if (std::ranges::any_of(row.runs, [&](const Run& run) { return ends(run) != ends(row.runs[0]); }))
      notes.push_back("within the row " + row.name + " markers or end tokens differ");
    for (const auto& [what, title] : all) {
      const auto here = [what = what](const Run& run) { return field(run.record, what); };
      const OrderedJson first = here(row.runs[0]);
      if (std::ranges::any_of(
              row.runs, [&](const OrderedJson& one) { return one != first; }, here))
        notes.push_back("within the row " + row.name + " " + title);
    }
  }
  return notes;
}

// Ways to think that need no training: writing, for a checkpoint that names no method, and what is made of writing.
bool needs_no_training(const std::string& method, const std::string& own) {
  return method == "soft-thinking" || method == "swi" || (own.empty() && (method == "direct" || method == "cot"));
}

// Rows that think in a way for which nothing was trained, which is no result about that way.
std::string note_on_training(const std::vector<std::pair<std::string, OrderedJson>>& records) {
  std::string rows;
  for (const auto& [name, record] : records) {
    const OrderedJson asked = field(record, "method"), settings = field(record, "settings");
    const OrderedJson own = settings.is_object() ? settings.value("method", OrderedJson()) : OrderedJson();
    if (!asked.is_string() || !own.is_string() || asked == own ||
        needs_no_training(asked.get<std::string>(), own.get<std::string>()))
      continue;
    rows += (rows.empty() ? "" : ", ") + name + " (" + asked.get<std::string>() + "; the checkpoint " +
            (own == "" ? "names no method" : "was trained for " + own.get<std::string>()) + ")";
  }
  return rows.empty() ? "" : "asked to think as the checkpoint was not trained to: " + rows;
}

// Files are often sorted, by answer or by source.
std::vector<std::string> notes_on_limits(const std::vector<std::pair<std::string, OrderedJson>>& records) {
  std::vector<std::string> notes;
  for (const auto& [name, record] : records) {
    const OrderedJson of = field(record, "limit_of"), seed = field(record, "limit_seed");
    if (of.is_null() || field(record, "data").is_null()) continue;
    const std::string count = field(record, "limit").dump() + " of " + of.dump() + " problems in the file";
    std::string note = seed.is_null() ? "the first " + count +
                                            "'s order, which need not be like the others "
                                            "('--limit-seed' draws some)"
                                      : count + ", drawn by seed " + seed.dump();
    if (std::ranges::find(notes, note) == notes.end()) notes.push_back(std::move(note));
  }
  return notes;
}

// Rows of one checkpoint whose texts are told apart by nothing else.
std::string note_on_writing(const std::vector<std::pair<std::string, OrderedJson>>& records) {
  const auto asked = [](const OrderedJson& record) -> OrderedJson {
    const OrderedJson writing = field(record, "writing");
    if (!writing.is_object()) return nullptr;
    return {{"markers", writing["markers"]},
            {"words at most", writing["max_words"]},
            {"end tokens", field(record, "end_tokens")}};
  };
  const auto writes = [](const OrderedJson& record) { return field(record, "writes") != false; };
  // Caps are only of those who think alike, ends of all who write.
  const auto differ = [&](const OrderedJson& one, const OrderedJson& two) {
    const OrderedJson a = asked(one), b = asked(two);
    if (a.is_null() || b.is_null() || field(one, "weights_sha256").is_null()) return false;
    if (field(one, "weights_sha256") != field(two, "weights_sha256")) return false;
    return a["markers"] != b["markers"] || (writes(one) && writes(two) && a["end tokens"] != b["end tokens"]) ||
           (field(one, "method") == field(two, "method") && a["words at most"] != b["words at most"]);
  };
  std::string rows;
  for (const auto& [name, record] : records) {
    const bool other =
        std::ranges::any_of(records, [&, &one = record](const auto& two) { return differ(one, two.second); });
    if (other) rows += (rows.empty() ? "" : "; ") + name + ": " + recorded_text(asked(record));
  }
  return rows.empty() ? "" : "rows of one checkpoint differ in markers, words at most or end tokens: " + rows;
}

size_t index_of(const std::vector<ComparedRow>& rows, const std::string& name) {
  return static_cast<size_t>(std::ranges::find(rows, name, &ComparedRow::name) - rows.begin());
}

}  // namespace

OrderedJson writing_of(const OrderedJson& record) {
  const OrderedJson settings = field(record, "settings");
  if (!settings.is_object()) return nullptr;
  return {{"markers", field(settings, "markers")}, {"max_words", field(settings, "max_words")}};
}

void require_same_method(const std::string& row, const OrderedJson& a, const OrderedJson& b) {
  for (const char* what :
       {"method", "method_revision", "max_steps", "method_options", "recurrences", "halt", "intervention", "decode"}) {
    OrderedJson here = field(a, what), there = field(b, what);
    for (OrderedJson* options : {&here, &there}) {
      if (options->is_object()) options->erase("seed");  // runs of other seeds draw by others
    }
    require(Json(here) == Json(there), "compare", "expected runs of one method in row '", row, "' but got '", what,
            "' of ", here.dump(), " and ", there.dump());
  }
}

// Task, data, seed and style; of a generator not how many problems it made.
void require_same_problems(const std::vector<std::pair<std::string, OrderedJson>>& records) {
  const auto value = [](const OrderedJson& record, const char* name) {
    OrderedJson found = field(record, name);
    const OrderedJson rescored = field(record, "rescored");  // as another task, or by another file
    if (rescored.contains(name)) found = rescored.at(name);
    if (found.is_object()) found.erase("count");
    return found;
  };
  for (const auto& [name, record] : records) {
    const auto& [first_name, first] = records[0];
    if (first.is_null() || record.is_null()) continue;
    for (const char* what : {"task", "data_sha256", "generator", "style", "labels", "seed"}) {
      const OrderedJson a = value(first, what), b = value(record, what);
      // By value, whatever the order of names.
      require(Json(a) == Json(b), "compare", "expected runs on the same problems but got '", what, "' of ", a.dump(),
              " (", first_name, ") and ", b.dump(), " (", name, ")");
    }
  }
}

Comparison compare(const std::vector<NamedRun>& runs, const std::string& baseline,
                   const std::map<std::string, std::string>& clean) {
  std::vector<ComparedRow> rows;
  for (const auto& [name, run] : runs) rows.push_back({.name = name, .runs = {run}});
  return compare(rows, baseline, clean);
}

Comparison compare(const std::vector<ComparedRow>& rows, const std::string& baseline,
                   const std::map<std::string, std::string>& clean) {
  check_rows(rows, baseline);
  const PairedSamples samples = pair_samples(rows);
  Comparison out;
  out.task = out.title = rows[0].runs[0].metrics.task;
  out.baseline = baseline;
  out.examples = samples.problems;
  out.samples = std::ssize(samples.problem);
  const size_t base = index_of(rows, baseline);
  for (size_t r = 0; r < rows.size(); ++r) {
    ComparisonRow row{.name = rows[r].name, .metrics = pool_metrics(rows[r], samples, r)};
    row.halts_by_answer = halts_by_answer(rows[r]);
    row.answered_again = count_answered_again(rows[r], samples, r);
    row.seeds = pool_seeds(rows[r], samples, r);
    row.by_latents = pool_latents(rows[r], row.metrics);
    row.tested = base < rows.size() && r != base && !clean.contains(row.name);
    if (row.tested) {
      const PairedTest test = paired_test(samples, r, base, baseline);
      row.only_this = test.only_this, row.only_baseline = test.only_other, row.p_value = test.p_value;
      row.difference = test.difference;
    }
    if (const auto changed = clean.find(row.name); changed != clean.end()) {
      const size_t other = index_of(rows, changed->second);
      require(other < rows.size(), "compare", "expected the row '", changed->second, "' beside '", row.name,
              "' but got none");
      row.clean = paired_test(samples, r, other, changed->second);
    }
    if (out.heuristics.empty()) out.heuristics = row.metrics.heuristics;
    out.rows.push_back(std::move(row));
  }
  correct_for_many(out);
  mark_unsolved(out.rows, samples);
  mark_front(out.rows);
  out.disagreements = find_disagreements(out.rows, samples);
  std::vector<std::pair<std::string, OrderedJson>> records;
  for (const ComparedRow& row : rows) records.emplace_back(row.name, record_of(row));
  out.notes = notes_on_rescoring(rows);
  for (std::string& note : find_notes(records)) out.notes.push_back(std::move(note));
  for (std::string& note : find_mixed_rows(rows)) out.notes.push_back(std::move(note));
  if (std::string note = note_on_training(records); !note.empty()) out.notes.push_back(std::move(note));
  if (std::string note = note_on_writing(records); !note.empty()) out.notes.push_back(std::move(note));
  for (std::string& note : notes_on_limits(records)) out.notes.push_back(std::move(note));
  for (std::string& note : notes_on_tests(out, samples)) out.notes.push_back(std::move(note));
  for (std::string& note : notes_on_runs(rows, samples)) out.notes.push_back(std::move(note));
  out.provenance = merge_records(records);
  return out;
}

}  // namespace tacit
