#pragma once

#include <cstdint>

#include "decoding/solve.h"
#include "lib/model/config.h"

namespace tacit {

// Operations that one problem took, a multiply-add counting two, from the shapes alone (lib/model/accounting.h): the
// prompt with its suffix, thoughts or words, answer marker and answer. The vocabulary counts where it is read: once for
// a word and for each token of the answer, the stop token included; an answer's last token is read and not fed.
// Thoughts are counted without what a feedback or a halting rule may look up besides. `recurrences` 0 = the config's
// own number; positions that leave early count whole, as they are computed. `prompt_tokens`: with the suffix. A
// solution's own account of its work, where several samples or branches made it, takes the place of all this.
int64_t problem_flops(const ModelConfig& config, int64_t recurrences, const Procedure& procedure, int64_t prompt_tokens,
                      const Solution& solution);

// What the row had stored at its end, all layers, in values of so many bytes (states are fp32): prompt, thoughts or
// words, marker and the answer's tokens that were fed. 0 where nothing is stored, a grid being read at once.
int64_t problem_memory_bytes(const ModelConfig& config, int64_t recurrences, const Procedure& procedure,
                             int64_t prompt_tokens, const Solution& solution, int64_t bytes_per_value);

}  // namespace tacit
