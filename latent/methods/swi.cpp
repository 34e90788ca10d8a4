#include "latent/methods/methods.h"
#include "latent/methods/swi_rule.h"
#include "latent/token_mixture.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// What a row's notes hold between thoughts.
SwiState read(const RowNotes& notes) {
  return {.begun = notes.number("swi.begun", 0) != 0,
          .words = notes.number("swi.words", 0) != 0,
          .stay = static_cast<int64_t>(notes.number("swi.stay", 0)),
          .reference = notes.number("swi.reference", 0),
          .blocks = static_cast<int64_t>(notes.number("swi.blocks", 0))};
}

void write(RowNotes& notes, const SwiState& state) {
  notes.numbers["swi.begun"] = state.begun;
  notes.numbers["swi.words"] = state.words;
  notes.numbers["swi.stay"] = static_cast<double>(state.stay);
  notes.numbers["swi.reference"] = state.reference;
  notes.numbers["swi.blocks"] = static_cast<double>(state.blocks);
}

// The turn before a row's next thought, worked out once for each thought.
SwiTurn turn_of(RowNotes& notes, double entropy, const SwiRule& rule) {
  const auto now = static_cast<double>(notes.thoughts);
  if (notes.number("swi.at", -1) != now) {
    SwiState state = read(notes);
    const SwiTurn turn = swi_step(state, entropy, rule);
    write(notes, state);
    notes.numbers["swi.at"] = now;
    notes.numbers["swi.turn"] = static_cast<double>(turn);
    if (swi_ends(state, turn, rule)) notes.numbers["swi.ends"] = now + 1;
  }
  return static_cast<SwiTurn>(notes.number("swi.turn", 0));
}

struct SwiInputs {
  SwiRule rule;
  double alpha = 1, beta = 1;            // at the first thought; 1 = the switch leaves no signal
  int64_t longest = 0;                   // thoughts
  std::optional<int64_t> think, answer;  // markers
};

// At a switch the input is drawn towards the marker of what begins: alpha of the mixture towards the think marker, beta
// of the mixture towards the answer marker. Both shares grow to 1 over the longest chain.
Feedback swi_feedback(const SwiInputs& in) {
  return {"swi", [in](const StepState& state) {
            const Transformer& model = state.model();
            const std::vector<double> entropies = token_entropies(state.logits_BV());
            std::vector<int64_t> tokens = likeliest_tokens(state.logits_BV(), "think");
            const at::Tensor soft_BD = model.embed_mixture(mixture_weights(state.logits_BV()).to(model.dtype()));
            const at::Tensor word_BD = model.embed(at::tensor(tokens, at::kLong).to(model.device()));
            const auto towards = [&](int64_t b, std::optional<int64_t> marker, double from) {
              if (!marker) return soft_BD[b];
              const double passed = static_cast<double>(state.notes(b).thoughts) / static_cast<double>(in.longest);
              const double share = from + (1 - from) * passed;
              return share * soft_BD[b] +
                     (1 - share) * model.embed(at::tensor({*marker}, at::kLong).to(model.device()))[0];
            };
            std::vector<at::Tensor> input;
            for (int64_t b = 0; b < state.rows(); ++b) {
              const SwiTurn turn = turn_of(state.notes(b), entropies[b], in.rule);
              if (turn == SwiTurn::to_latent) {
                input.push_back(towards(b, in.think, in.alpha));
              } else if (turn == SwiTurn::to_words) {
                input.push_back(in.answer && in.beta < 1 ? towards(b, in.answer, in.beta) : word_BD[b]);
              } else {
                input.push_back(read(state.notes(b)).words ? word_BD[b] : soft_BD[b]);
              }
            }
            return NextInput{at::stack(input), std::move(tokens)};
          }};
}

Halt swi_halt(StopTokens chain_ends) {
  return {"swi", [chain_ends = std::move(chain_ends)](const StepState& state, const NextInput& proposal) {
            std::vector<char> stop(state.rows());
            for (int64_t b = 0; b < state.rows(); ++b) {
              const RowNotes& notes = state.notes(b);
              const double ends = notes.number("swi.ends", -1);
              stop[b] =
                  chain_ends.contains(proposal.tokens[b]) || (ends >= 0 && static_cast<double>(notes.thoughts) >= ends);
            }
            return stop;
          }};
}

void check_swi_options(const Json& options, const std::string& source) {
  const JsonReader in(options, "read_config", source);
  if (options.at("window").get<int64_t>() < 0) in.reject("window", "to be at least 0");
  if (options.at("max_switches").get<int64_t>() < -1) in.reject("max_switches", "to be at least -1 (-1 = no cap)");
  for (const char* name : {"alpha", "beta"}) {
    const auto value = options.at(name).get<double>();
    if (!(value >= 0 && value <= 1)) in.reject(name, "to lie in 0..1");
  }
}

}  // namespace

Method swi_method() {
  Method m;
  m.name = "swi";
  m.summary = "chain of thought that turns latent while the entropy rises and back to words when it falls; untrained";
  m.reference = "arXiv:2510.05069";
  m.options = {{"window", 512}, {"max_switches", -1}, {"alpha", 1.0}, {"beta", 0.7}};
  m.check_options = check_swi_options;
  m.procedure = [](const MethodContext& context) {
    Procedure out = words_procedure(context);
    SwiInputs in{.rule = {.window = context.option("window").get<int64_t>(),
                          .max_blocks = context.option("max_switches").get<int64_t>()},
                 .alpha = context.option("alpha").get<double>(),
                 .beta = context.option("beta").get<double>(),
                 .longest = std::max<int64_t>(out.think.max_steps, 1)};
    if (!out.prompt_suffix.empty()) in.think = out.prompt_suffix.back();
    if (!out.answer_marker.empty()) in.answer = out.answer_marker[0];
    out.think.feedback = swi_feedback(in);
    out.think.halt = swi_halt(chain_ends(context));
    return out;
  };
  return m;
}

}  // namespace tacit
