#pragma once

#include <filesystem>
#include <vector>

#include "datasets/example.h"

namespace tacit {

// Problems with written steps, in either of two forms; ids are FILE'S-STEM/number.
//   Coconut's JSON: a list of {"question", "steps": [..], "answer"}, other fields left alone
//     [facebookresearch/coconut data/*.json]
//   GSM8K-Aug's lines: question||<<16-3-4=9>> <<9*2=18>> #### 18, steps split at spaces as Coconut does; empty lines
//     are skipped [da03/Internalize_CoT_Step_by_Step data/gsm8k/*.txt]
// Fails naming the file and the first broken item or line.
std::vector<Example> read_coconut(const std::filesystem::path& path);

// The same two forms, written; what they have no place for (ids, choices, meta) is left out. Atomic. Lines have no
// place for line breaks, for "||" and "####" in a text, nor for white space in a step: fails naming the first example
// that has them.
void write_coconut_json(const std::filesystem::path& path, const std::vector<Example>& examples);
void write_coconut_lines(const std::filesystem::path& path, const std::vector<Example>& examples);

}  // namespace tacit
