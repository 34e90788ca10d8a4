#include "decoding/drawn_thoughts.h"

#include "latent/intervention.h"
#include "lib/core/error.h"

namespace tacit {

static constexpr uint32_t kWordDraws = 0x776f'7264;  // "word"
static const std::string kDrawn = "embed_sampled";
static const std::string kLogProb = "decoding.word_log_prob", kWords = "decoding.words";

Procedure with_thought_noise(const Procedure& procedure, double size, uint64_t seed) {
  require(size >= 0, "thought_noise", "expected noise of size at least 0 but got ", size);
  if (size == 0) return procedure;
  require(!procedure.in_words && procedure.max_thoughts() > 0, "thought_noise",
          "expected a method that thinks in vectors but got '", procedure.method, "'",
          procedure.in_words ? ", which thinks in words" : ", which takes no thoughts");
  return intervene(procedure, {.kind = InterventionKind::perturb, .size = size, .seed = seed});
}

bool words_can_be_drawn(const Procedure& procedure) {
  const std::string& name = procedure.think.feedback.name;
  return procedure.in_words && (name == feedback::embed_argmax().name || name.starts_with(kDrawn));
}

Procedure with_sampled_words(const Procedure& procedure, const SamplingOptions& sampling, uint64_t seed) {
  require_sampling(sampling, "sample");
  if (!procedure.in_words || procedure.think.feedback.name != feedback::embed_argmax().name) return procedure;
  Procedure out = procedure;
  out.think.feedback = {kDrawn, [sampling, seed](const StepState& state) {
                          std::vector<Rng> rngs;
                          for (int64_t b = 0; b < state.rows(); ++b) rngs.push_back(state.rng(b, seed, kWordDraws));
                          std::vector<int64_t> ids;
                          const auto choices = choose_tokens(state.logits_BV(), sampling, std::move(rngs), "think");
                          for (int64_t b = 0; b < state.rows(); ++b) {
                            RowNotes& notes = state.notes(b);
                            notes.numbers[kLogProb] += choices[b].log_prob;
                            notes.numbers[kWords] += 1;
                            ids.push_back(choices[b].token);
                          }
                          const at::Tensor ids_B = at::tensor(ids, at::kLong).to(state.model().device());
                          return NextInput{state.model().embed(ids_B), std::move(ids)};
                        }};
  return out;
}

WordLikelihood word_likelihood(const RowNotes& notes) {
  return {notes.number(kLogProb, 0), static_cast<int64_t>(notes.number(kWords, 0))};
}

}  // namespace tacit
