#include "eval/paired_samples.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "lib/core/error.h"

namespace tacit {
namespace {

using Key = std::pair<std::string, int64_t>;  // id and repeat

std::map<Key, const Sample*> by_key(const Run& run, const std::string& name) {
  std::map<Key, const Sample*> out;
  for (const Sample& s : run.samples) {
    const bool fresh = out.emplace(Key{s.id, s.repeat}, &s).second;
    require(fresh, "compare", "expected one sample an example but got '", s.id, "' twice in run '", name, "'");
  }
  return out;
}

void check_same_problem(const Sample& a, const std::string& name_a, const Sample& b, const std::string& name_b) {
  const bool same_depth = !a.depth || !b.depth || a.depth == b.depth;
  const auto depth = [](const Sample& s) { return s.depth ? "depth " + std::to_string(*s.depth) : "depth unknown"; };
  require(a.expected == b.expected && same_depth, "compare", "expected '", a.id,
          "' to be the same problem in all runs but its answer is '", a.expected, "' (", depth(a), ") in '", name_a,
          "' and '", b.expected, "' (", depth(b), ") in '", name_b, "'");
}

}  // namespace

std::vector<const Sample*> PairedSamples::of_run(size_t row, int64_t run) const {
  return {rows[row].begin() + run_begin[run], rows[row].begin() + run_begin[run + 1]};
}

// Of each run the samples that every row has, in the first row's order.
PairedSamples pair_samples(const std::vector<ComparedRow>& rows) {
  PairedSamples out;
  out.rows.resize(rows.size());
  for (const ComparedRow& row : rows) out.runs = std::max(out.runs, std::ssize(row.runs));
  std::map<std::string, int64_t> number;
  for (int64_t k = 0; k < out.runs; ++k) {
    out.run_begin.push_back(std::ssize(out.problem));
    std::vector<std::map<Key, const Sample*>> maps;
    for (const ComparedRow& row : rows) maps.push_back(by_key(row.run(k), row.name));
    for (const Sample& first : rows[0].run(k).samples) {
      const Key key{first.id, first.repeat};
      if (!std::ranges::all_of(maps, [&](const auto& m) { return m.contains(key); })) continue;
      for (size_t r = 0; r < rows.size(); ++r) {
        const Sample& sample = *maps[r].at(key);
        check_same_problem(first, rows[0].name, sample, rows[r].name);
        out.rows[r].push_back(&sample);
      }
      out.problem.push_back(number.emplace(first.id, std::ssize(number)).first->second);
    }
    require(std::ssize(out.problem) > out.run_begin.back(), "compare",
            "expected runs with common examples but they share none");
  }
  out.run_begin.push_back(std::ssize(out.problem));
  out.problems = std::ssize(number);
  return out;
}

PairedTest paired_test(const PairedSamples& samples, size_t row, size_t other, const std::string& name_of_other) {
  PairedTest out{.against = name_of_other};
  std::vector<double> differences;
  for (size_t i = 0; i < samples.problem.size(); ++i) {
    const bool this_right = samples.rows[row][i]->correct, other_right = samples.rows[other][i]->correct;
    out.only_this += this_right && !other_right;
    out.only_other += !this_right && other_right;
    differences.push_back(static_cast<double>(this_right) - static_cast<double>(other_right));
  }
  const std::vector<Cluster> problems = clusters_of(differences, samples.problem);
  std::vector<int64_t> sums;
  for (const Cluster& problem : problems) sums.push_back(std::llround(problem.sum));
  out.p_value = sign_flip_test(sums);
  out.difference = bootstrap_difference(problems);
  return out;
}

}  // namespace tacit
