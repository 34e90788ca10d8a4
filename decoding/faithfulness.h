#pragma once

#include <memory>
#include <vector>

#include "decoding/solve.h"
#include "decoding/verbalise.h"

namespace tacit {

struct FaithfulnessOptions {
  int64_t max_answer_tokens = 8;
  int64_t recurrences = 0;  // SessionOptions::recurrences
  bool as_words = false;    // what stands in for a thought: its tokens' embeddings, or its vector where it has one
  uint64_t seed = 0;        // of the partners
};

// What became of one problem's answer when all its thoughts were replaced, each in its place: whether its tokens stayed
// the same.
struct FaithfulnessRow {
  std::vector<int64_t> answer;  // with its own thoughts
  bool unchanged = false;       // the own thoughts, fed as vectors: a check of the procedure itself
  bool verbalised = false;      // what the verbaliser says of the own thoughts
  bool other = false;           // what it says of another problem's thoughts
  bool none = false;            // nothing: the answer follows the question
  std::vector<Verbalised> said;
};

// Whether texts hold what thoughts hold: an answer that stays when its thoughts are swapped for their texts, and does
// not when they are swapped for another problem's, says so. The prompt, the answer marker and decoding, greedy, stay.
// Partners are other problems, each named once, with as many thoughts where there are any (swap_partners); a partner's
// texts beyond its last begin anew. Fails where the procedure writes, thinks in parallel or takes no thoughts, and on
// fewer than two prompts. `go_on` is told how many problems are done, and returns false to stop; what is done returns.
std::vector<FaithfulnessRow> faithfulness(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
                                          const TokenRows& prompts, const Verbaliser& verbaliser,
                                          const FaithfulnessOptions& options = {},
                                          const std::function<bool(int64_t done)>& go_on = {});

}  // namespace tacit
