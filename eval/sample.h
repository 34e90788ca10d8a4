#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/scorer.h"
#include "lib/core/json.h"

namespace tacit {

// What a scorer beside the first says.
struct OtherScore {
  std::string scorer;
  Score score;
};

// One line of samples.jsonl. Solving the same problem again gives the same line except for the fields that begin with
// ms_.
struct Sample {
  std::string task, id, method;
  int64_t repeat = 0;
  std::string question;  // rendered prompt, suffix included
  std::string thoughts;  // words of a written chain, or the readout of each thought: "7 .52 3 .44 | 9 .98"
  std::string text, answer, expected;  // decoded text, extracted answer, reference
  bool extracted = false, correct = false;
  std::vector<OtherScore> scores;         // of the task's scorers after the first
  std::vector<ChoiceLikelihood> choices;  // where the answer was chosen by likelihood, in the example's order
  int64_t steps = 0, tokens = 0;  // thoughts or words consumed; answer tokens; those of all samples, beams, branches
  bool cut_off = false;           // a written chain that ran into the cap on words
  bool answer_cut_off = false;    // an answer that ran into the cap on answer tokens
  bool too_long = false;          // needs more positions than the model has: not solved, wrong
  int64_t flops = 0;              // problem_flops() (eval/flops.h)
  int64_t memory_bytes = 0;       // what the row had stored at its end, all layers; 0 = unknown
  double recurrences = 0;         // mean over positions of the recurrence after which each left; 0 = none leaves early
  std::optional<int64_t> depth;   // meta.depth; none = unknown (null as JSON)
  double ms_prefill = 0, ms_think = 0, ms_answer = 0;  // its share of the time of a batch
};
OrderedJson to_json(const Sample& sample);
Sample sample_from_json(const Json& json, const std::string& operation, const std::string& source);

// Every line of a samples.jsonl. Fails naming the file and the line of a broken one.
std::vector<Sample> read_samples(const std::filesystem::path& path, const std::string& operation);
// The same of a file that is being written: its last line may be half there, and does not count.
std::vector<Sample> finished_samples(const std::filesystem::path& path, const std::string& operation);

// `text` with bytes that are no UTF-8 (half a character that a model left unfinished) replaced by U+FFFD.
std::string valid_utf8(const std::string& text);

}  // namespace tacit
