#pragma once

#include <filesystem>
#include <string>

#include "datasets/reach.h"
#include "latent/method.h"
#include "lib/core/files.h"
#include "lib/model/checkpoint.h"
#include "lib/tokenizer/tokenizer.h"
#include "tests/support/tiny_model.h"

namespace tacit::test {

// A checkpoint with random weights over the symbols of `labels` nodes. Its answers are worthless, its form is that of
// the embedded models.
inline void write_tiny_checkpoint(const std::filesystem::path& folder, const std::string& method, uint64_t seed,
                                  int64_t labels = 32, int64_t max_positions = 512) {
  const std::vector<std::string> words = reach_vocabulary(labels);
  const TinyModelOptions options{.vocab_size = std::ssize(words), .max_positions = max_positions, .seed = seed};
  MethodSettings settings;
  settings.method = method;
  settings.latents = 6;
  settings.max_words = 12;
  settings.task = "reach";
  settings.style = "symbols";
  settings.labels = labels;
  settings.markers = {.think = "[T]", .answer = "[A]", .pause = "[P]", .end = "[E]"};
  Json config = tiny_config(options);
  config["tacit"] = to_json(settings);
  std::filesystem::create_directories(folder);
  save_model(folder, *tiny_model(options), config);
  write_file_atomic(folder / "tokenizer.json", word_tokenizer_json(words), "test");
}

// A folder like models/.
inline void write_tiny_models(const std::filesystem::path& folder) {
  uint64_t seed = 1;
  for (const char* method : {"frontier", "coconut", "cot", "cot-frontier", "pause", "direct"}) {
    write_tiny_checkpoint(folder / method, method, seed++);
  }
}

}  // namespace tacit::test
