#pragma once

#include <filesystem>

#include "lib/core/json.h"

namespace tacit {

// The files that checkpoints had before tokenizer.json, and some still have instead of it.

// The tokens that tokenizer_config.json ("added_tokens_decoder") and added_tokens.json name, in the form of
// tokenizer.json's "added_tokens" and in order of their ids. Neither file need be there. Fails when they disagree.
Json read_added_tokens(const std::filesystem::path& directory);

// vocab.json and merges.txt as the tokenizer.json that HF would make of them. tokenizer_config.json's "tokenizer_class"
// says how text is split: GPT2Tokenizer (also where none is named) or Qwen2Tokenizer; another one is refused.
Json read_vocab_and_merges(const std::filesystem::path& directory);

}  // namespace tacit
