#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/generated_task.h"
#include "datasets/reach.h"
#include "lib/core/rng.h"

namespace tacit {

// One function a generator's file.
GeneratedTask reach_task();
GeneratedTask pointer_task();
GeneratedTask chain_task();
GeneratedTask listops_task();
GeneratedTask walks_task();
GeneratedTask maze_task();

// Shared by the generators' files.

// Streams of one seed (reach_text.h has 0 to 2).
enum GeneratorStream : uint32_t { kPointerStream = 8, kChainStream, kListopsStream, kWalksStream, kMazeStream };

// Draws in vain after which a generator gives up: the options ask for what hardly exists.
inline constexpr int64_t kMostTries = 10'000;

// Both ends included.
struct Range {
  int64_t low = 0, high = 0;
};
// "name": 3 or "name": [3, 5], within low..high.
Range read_range(const JsonReader& in, const char* name, Range fallback, int64_t low, int64_t high);
OrderedJson to_json(Range range);  // [low, high]
int64_t integer_or(const JsonReader& in, const char* name, int64_t fallback, int64_t low, int64_t high);

// With the marks behind them.
std::vector<std::string> with_marks(std::vector<std::string> words);
// "0" .. "count-1"
std::vector<std::string> number_words(int64_t count);

// An example that has its id only; checks the index.
Example named_example(const char* task, uint64_t seed, int64_t index);
Rng example_rng(uint64_t seed, int64_t index, GeneratorStream stream);

// "a b c"
std::string joined(const std::vector<std::string>& words);
std::vector<std::string> split_words(const std::string& text);

// Reach's options as JSON, of which `fallback` has those that are not given.
ReachOptions read_reach_options(const JsonReader& in, const ReachOptions& fallback);
OrderedJson to_json(const ReachOptions& options);

}  // namespace tacit
