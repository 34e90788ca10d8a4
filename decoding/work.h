#pragma once

#include <cstdint>
#include <map>

#include "decoding/decode.h"
#include "latent/method.h"

namespace tacit {

// What an answer took that was put together from several samples, beams or branches: all of them count, what is
// computed once for all of them counts once.
struct WorkDone {
  std::map<int64_t, int64_t> fed;    // positions run, by the number of positions before them on their own path
  int64_t readings = 0;              // of the whole vocabulary, by one position
  int64_t thoughts = 0, tokens = 0;  // thoughts or words consumed; tokens of answers

  // `count` positions behind `before` others, each run `times` times.
  void feed(int64_t before, int64_t count, int64_t times = 1) {
    for (int64_t i = 0; i < count; ++i) fed[before + i] += times;
  }
};

// One chain behind a prompt of `prompt_tokens` (with the suffix), which is not counted: thoughts, answer marker and an
// answer whose last token is read and not fed.
void add_chain(WorkDone& work, const Procedure& procedure, int64_t prompt_tokens, int64_t steps, bool halted,
               const Decoded& answer);
// The thoughts alone.
void add_thoughts(WorkDone& work, const Procedure& procedure, int64_t prompt_tokens, int64_t steps, bool halted);

}  // namespace tacit
