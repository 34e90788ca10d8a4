#include "decoding/faithfulness.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>

#include "latent/intervention.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// One thought's text as inputs [V, D]; of no tokens and no vector none.
at::Tensor inputs_of(const Transformer& model, const Verbalised& said, bool as_words) {
  if (!as_words && said.vector_D.defined()) return said.vector_D.unsqueeze(0).to(model.device(), model.dtype());
  return model.embed(at::tensor(said.tokens, at::kLong).to(model.device()));
}

at::Tensor inputs_of(const Transformer& model, const std::vector<Verbalised>& said, int64_t count, bool as_words) {
  std::vector<at::Tensor> parts;
  for (int64_t k = 0; k < count && !said.empty(); ++k)
    parts.push_back(inputs_of(model, said[static_cast<size_t>(k) % said.size()], as_words));
  if (parts.empty()) return at::zeros({0, model.config().hidden_size});
  return at::cat(parts);
}

}  // namespace

std::vector<FaithfulnessRow> faithfulness(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
                                          const TokenRows& prompts, const Verbaliser& verbaliser,
                                          const FaithfulnessOptions& options,
                                          const std::function<bool(int64_t done)>& go_on) {
  const at::NoGradGuard no_grad;
  require(!procedure.in_words && !procedure.parallel && procedure.max_thoughts() > 0, "faithfulness",
          "expected a method that takes one vector after the other but got '", procedure.method, "'");
  const SolveOptions solve_options{
      .max_answer_tokens = options.max_answer_tokens, .keep_trace = true, .recurrences = options.recurrences};
  const TokenRows rows = with_suffix(procedure, prompts);
  std::vector<FaithfulnessRow> out;
  std::vector<at::Tensor> traces;
  std::vector<int64_t> counts;
  for (int64_t i = 0; i < std::ssize(prompts); ++i) {
    SolveOptions one = solve_options;
    one.ids = {i};
    const Solution solution = solve(model, procedure, {prompts[i]}, one);
    traces.push_back(solution.thoughts.trace_BKD[0].narrow(0, 0, solution.thoughts.steps[0]));
    counts.push_back(solution.thoughts.steps[0]);
    out.push_back({.answer = solution.answers[0].tokens, .said = verbaliser.say(traces.back())});
    require(std::ssize(out.back().said) == counts.back(), "faithfulness", "expected a text for each of ", counts.back(),
            " thoughts but got ", out.back().said.size());
  }
  const std::vector<int64_t> partners = swap_partners(counts, options.seed);
  const int64_t answer = answer_tokens(procedure, solve_options), marker = std::ssize(procedure.answer_marker);
  for (int64_t i = 0; i < std::ssize(prompts); ++i) {
    FaithfulnessRow& row = out[i];
    const auto stays = [&](const at::Tensor& inputs_VD) {
      const int64_t needed = std::ssize(rows[i]) + inputs_VD.size(0) + marker + answer;
      require(needed <= model->config().max_positions, "faithfulness", "expected at most ",
              model->config().max_positions, " positions (the model's) but problem ", i, " may need ", needed);
      Session session(model, session_options(procedure, solve_options, 1, needed));
      session.name_rows(std::vector{i});
      session.prefill({rows[i]});
      session.feed_vectors(inputs_VD.unsqueeze(0));
      session.feed(procedure.answer_marker);
      return decode(session, {.max_tokens = answer, .stop_tokens = procedure.stop_tokens})[0].tokens == row.answer;
    };
    row.unchanged = stays(traces[i]);
    row.verbalised = stays(inputs_of(*model, row.said, counts[i], options.as_words));
    row.other = stays(inputs_of(*model, out[partners[i]].said, counts[i], options.as_words));
    row.none = stays(traces[i].narrow(0, 0, 0));
    if (go_on && !go_on(i + 1)) {
      out.resize(i + 1);
      break;
    }
  }
  return out;
}

}  // namespace tacit
