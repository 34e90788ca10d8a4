#pragma once

#include <string>

#include "lib/core/json.h"
#include "lib/tokenizer/bpe_merges.h"
#include "lib/tokenizer/vocabulary.h"

namespace tacit {

// "merges" of a model "BPE" in tokenizer.json, written "a b" or ["a", "b"], over the ids of `vocabulary`. Also refuses
// what would make merging another thing: dropout, prefixes and suffixes of words.
BpeMerges read_merges(const JsonReader& model, const Vocabulary& vocabulary, const std::string& source);

}  // namespace tacit
