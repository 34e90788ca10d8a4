#include "decoding/work.h"

#include <algorithm>

namespace tacit {

void add_thoughts(WorkDone& work, const Procedure& procedure, int64_t prompt_tokens, int64_t steps, bool halted) {
  work.feed(prompt_tokens, steps, procedure.parallel ? procedure.parallel->iterations : 1);
  work.thoughts += steps;
  if (procedure.in_words) work.readings += steps + halted;
}

void add_chain(WorkDone& work, const Procedure& procedure, int64_t prompt_tokens, int64_t steps, bool halted,
               const Decoded& answer) {
  add_thoughts(work, procedure, prompt_tokens, steps, halted);
  const int64_t marker = std::ssize(procedure.answer_marker), tokens = std::ssize(answer.tokens);
  const int64_t read = tokens + answer.stopped, before = prompt_tokens + steps;
  work.feed(before, marker + std::max<int64_t>(read - 1, 0));
  work.readings += read;
  work.tokens += tokens;
}

}  // namespace tacit
