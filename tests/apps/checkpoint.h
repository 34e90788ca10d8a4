#pragma once

#include <filesystem>
#include <string>

#include "datasets/reach.h"
#include "latent/method.h"
#include "lib/core/files.h"
#include "lib/core/safetensors.h"
#include "lib/model/checkpoint.h"
#include "lib/tokenizer/tokenizer.h"
#include "tests/lib/core_support.h"
#include "tests/support/run_binary.h"
#include "tests/support/tiny_model.h"

namespace tacit::test {

constexpr int64_t kLabels = 28;

// A random model over the symbol vocabulary, as `tacit train` would leave it.
inline void write_checkpoint(const std::filesystem::path& folder, const std::string& method = "coconut",
                             uint64_t seed = 1) {
  const std::vector<std::string> words = reach_vocabulary(kLabels);
  const TinyModelOptions tiny{.vocab_size = std::ssize(words), .seed = seed};
  MethodSettings settings;
  settings.method = method;
  settings.latents = 3;
  settings.max_words = 5;
  settings.task = "reach";
  settings.style = "symbols";
  settings.labels = kLabels;
  settings.markers = {.think = "[T]", .answer = "[A]", .pause = "[P]", .end = "[E]"};
  Json config = tiny_config(tiny);
  config["tacit"] = Json::parse(to_json(settings).dump());
  std::filesystem::create_directories(folder);
  write_file_atomic(folder / "tokenizer.json", word_tokenizer_json(words), "test");
  save_model(folder, *tiny_model(tiny), config);
}

// The same kind of model, whose stack runs three times.
inline void write_deep_checkpoint(const std::filesystem::path& folder) {
  write_checkpoint(folder);
  Json config = read_json(folder / "config.json", "test");
  config.update({{"model_type", "universal"}, {"base_model_type", "tacit"}, {"recurrences", 3}});
  write_file_atomic(folder / "config.json", config.dump(), "test");
}

// The same weights without anything that tells of thoughts, and without a tokenizer.
inline void write_plain_checkpoint(const std::filesystem::path& folder, int64_t max_positions = 64) {
  const TinyModelOptions tiny{.max_positions = max_positions};
  save_model(folder, *tiny_model(tiny), tiny_config(tiny));
}

inline std::string question() { return "3 5 | 5 8 | 2 9 | [Q] 8 9 [R] 3"; }

// Updates done, by the state that resuming needs; 0 where there is none.
inline int64_t saved_steps(const std::filesystem::path& folder) {
  const auto state = folder / "training_state.safetensors";
  return exists(state) ? std::stoll(read_safetensors(state).metadata.at("step")) : 0;
}

// Arguments after arguments.
inline std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace tacit::test
