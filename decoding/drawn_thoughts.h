#pragma once

#include <cstdint>

#include "decoding/sampling.h"
#include "latent/method.h"

namespace tacit {

// Chains that differ from draw to draw; a row's draws depend on the seed, on its name and on the thought's number.

// Latent sampling: every thought is the feedback's own plus Gaussian noise of `size` times its root mean square in
// every component, in a parallel procedure the inputs of the last iteration (the intervention `perturb`); 0 = as it is.
// Fails where the procedure thinks in words or not at all.
Procedure with_thought_noise(const Procedure& procedure, double size, uint64_t seed);

// Whether the procedure writes the likeliest word each time, or words that are drawn already, whatever was done to it
// since.
bool words_can_be_drawn(const Procedure& procedure);
// Written chains of thought with drawn words in place of the likeliest; procedures that do not write, or by a rule of
// their own, stay as they are. The log-probabilities of a row's words are summed up in its notes.
Procedure with_sampled_words(const Procedure& procedure, const SamplingOptions& sampling, uint64_t seed);

// What the words of the row have summed up to since it was fed tokens last, and how many that were.
struct WordLikelihood {
  double log_prob = 0;
  int64_t words = 0;
};
WordLikelihood word_likelihood(const RowNotes& notes);

}  // namespace tacit
