#pragma once

#include <cmath>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "eval/run.h"
#include "lib/core/files.h"
#include "tests/lib/core_support.h"
#include "tests/support/run_files.h"
#include "tests/support/tiny_model.h"

namespace tacit::test {

constexpr int64_t kLabels = 10;

// A random model over the symbol vocabulary: its answers are worthless and, for given weights, always the same.
inline LoadedModel tiny_checkpoint(uint64_t seed = 1) {
  const std::vector<std::string> words = reach_vocabulary(kLabels);
  LoadedModel out;
  out.directory = "/nowhere/tiny";
  out.model = tiny_model({.vocab_size = std::ssize(words), .seed = seed});
  out.tokenizer = make_word_tokenizer(words);
  out.settings.method = "coconut";
  out.settings.task = "reach";
  out.settings.latents = 3;
  out.settings.max_words = 7;
  out.settings.labels = kLabels;
  out.settings.markers = {.think = "[T]", .answer = "[A]", .pause = "[P]", .end = "[E]"};
  out.weights_sha256 = "seed " + std::to_string(seed);
  return out;
}

inline RunOptions small_run(int64_t count = 23) {
  RunOptions options;
  options.task_options.reach.labels = kLabels;
  options.task_options.reach.graph = {
      .kind = GraphKind::random, .min_nodes = 6, .max_nodes = 8, .edges_per_node = 1.5, .min_depth = 1, .max_depth = 3};
  options.task_options.seed = 5;
  options.task_options.count = count;
  options.batch = 4;
  options.latency_problems = 0;
  options.command = {"tacit", "eval"};
  return options;
}

// Equal words, and shares that differ by less than rounding can explain.
inline bool same_thoughts(const std::string& a, const std::string& b) {
  std::istringstream words_a(a), words_b(b);
  std::string x, y;
  while (words_a >> x) {
    if (!(words_b >> y)) return false;
    if (x != y && (x.find('.') == x.npos || std::abs(std::stod(x) - std::stod(y)) > .011)) return false;
  }
  return !(words_b >> y);
}

// A progress callback that stops the work when it is called for the n-th time.
inline ProgressCallback stop_at_call(int64_t n) {
  return [n, calls = int64_t{0}](const Progress&) mutable { return ++calls < n; };
}

}  // namespace tacit::test
