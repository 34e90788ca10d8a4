#pragma once

#include <string>

#include "decoding/beam.h"
#include "decoding/contrast.h"
#include "decoding/sampling.h"
#include "decoding/thought_search.h"
#include "decoding/vote.h"

namespace tacit {

enum class StrategyKind {
  greedy,    // the likeliest token
  sample,    // drawn tokens, and words of a written chain
  noise,     // noise on thoughts, then greedy
  beam,      // beam search over the answer
  vote,      // several samples, the answer that most give
  best,      // several samples, the likeliest or the one that a scorer prefers
  tree,      // a tree of thoughts
  contrast,  // what thoughts add to what is said without them
};

// How an answer is decoded: data. Of the fields a kind reads those that it names.
struct Strategy {
  StrategyKind kind = StrategyKind::greedy;
  int64_t samples = 1;                            // vote, best
  SamplingOptions sampling = {.temperature = 0};  // sample, vote, best: words and answers
  double noise = 0;                               // sample, noise, vote, best: with_thought_noise()
  Likelihood likelihood = Likelihood::mean;       // best
  BeamOptions beam = {};                          // beam
  ThoughtSearchOptions tree = {};                 // tree
  ContrastOptions contrast = {};                  // contrast

  // Whether rows of many problems can be decoded together; any other takes problem by problem.
  bool by_rows() const {
    return kind == StrategyKind::greedy || kind == StrategyKind::sample || kind == StrategyKind::noise;
  }
};

// "greedy", "sample", "noise:SIZE", "beam:N", "vote:N", "best:N", "tree", "contrast", then ":" or "," and settings
// NAME=VALUE with commas between: "sample:temperature=.7,top-p=.9", "vote:8,noise=.1".
//   sample, vote, best   temperature (1; 0 where noise is given), top-k, top-p, min-p, noise; best: by=mean|sum
//   beam                 length-penalty (1)
//   tree                 width (4), branch (2), expand=noise|tokens, noise (.1), by=likelihood|entropy
//   contrast             weight (.5), plausible (.1), thoughts (0)
// Fails on anything else.
Strategy parse_strategy(const std::string& text);
// What parse_strategy reads as the same strategy, every setting spelled out that is not the kind's usual.
std::string to_text(const Strategy& strategy);

// Fails where the procedure or the model cannot be decoded so.
void require_strategy(const Strategy& strategy, const ModelConfig& config, const Procedure& procedure);

}  // namespace tacit
