#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "latent/method.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {

struct TrainConfig;

// What a training learns from, and what its checkpoint must know of it.
struct TrainData {
  std::function<Example(int64_t step, int64_t index)> training;  // example `index`, drawn at a step
  std::vector<Example> validation;                               // none of the training's; may be empty
  std::vector<Example> largest;  // to be refused, if any, before the first update: in full size
  std::shared_ptr<const Tokenizer> tokenizer;
  std::map<std::string, std::string> tokenizer_files;  // of the checkpoint, by name
  MethodSettings settings;                             // task, style, labels, generator, max_words and markers
};

// Generated tasks have words of their own: with `init`, the checkpoint's tokens must begin with them. Tasks from files
// (prosqa, gsm8k_aug) keep the tokenizer of `init`, or take that of the folder `tokenizer`; their text stands on lines
// (datasets/lines.h). The marker before an answer is "###" where that is one token, the end is "<|endoftext|>" or
// "</s>" where there is one, unless the recipe names others.
TrainData open_train_data(const TrainConfig& config);

// Whether a task's problems come from a file.
bool is_file_task(const std::string& task);

// The order in which an epoch goes through a file's examples.
std::vector<int64_t> epoch_order(uint64_t seed, int64_t epoch, int64_t size);

}  // namespace tacit
