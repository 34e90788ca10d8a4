#include "latent/methods/methods.h"
#include "latent/token_mixture.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

struct SoftOptions {
  MixtureOptions mixture;
  std::string noise;
  double gumbel_temperature = 0, dirichlet_alpha = 0;
  uint64_t seed = 0;
};

SoftOptions read(const MethodContext& context) {
  const auto number = [&](const char* name) { return context.option(name).get<double>(); };
  return {.mixture = {.temperature = number("temperature"),
                      .top_k = context.option("top_k").get<int64_t>(),
                      .top_p = number("top_p"),
                      .min_p = number("min_p")},
          .noise = context.option("noise").get<std::string>(),
          .gumbel_temperature = number("gumbel_temperature"),
          .dirichlet_alpha = number("dirichlet_alpha"),
          .seed = context.option("seed").get<uint64_t>()};
}

// A thought is the mixture of embeddings that the model's own distribution over tokens weighs ("concept token") [Soft
// Thinking, arXiv:2505.15778, equation 4]. Read as its likeliest token.
Feedback soft_feedback(const SoftOptions& options) {
  return {"soft", [options](const StepState& state) {
            at::Tensor weight_BV = mixture_weights(state.logits_BV(), options.mixture);
            if (options.noise != "none") {
              std::vector<at::Tensor> drawn;
              for (int64_t b = 0; b < state.rows(); ++b) {
                Rng rng = state.rng(b, options.seed);
                drawn.push_back(options.noise == "gumbel"
                                    ? gumbel_weights(weight_BV[b], options.gumbel_temperature, rng)
                                    : dirichlet_weights(weight_BV[b], options.dirichlet_alpha, rng));
              }
              weight_BV = at::stack(drawn).to(weight_BV.device());
            }
            return NextInput{state.model().embed_mixture(weight_BV.to(state.model().dtype())),
                             likeliest_tokens(weight_BV, "think")};
          }};
}

// Stops a row when the answer marker is the likeliest token, and when for the `steps`-th time in succession the
// distribution's entropy is below `threshold` (cold stop).
Halt soft_halt(const StopTokens& ends, double temperature, double threshold, int64_t steps) {
  return {"cold_stop", [=](const StepState& state, const NextInput& proposal) {
            const std::vector<double> entropies = token_entropies(state.logits_BV(), temperature);
            std::vector<char> stop(state.rows());
            for (int64_t b = 0; b < state.rows(); ++b) {
              RowNotes& notes = state.notes(b);
              // Asked twice about the same thought, the rule counts it once.
              const auto now = static_cast<double>(notes.thoughts);
              if (notes.number("cold.at", -1) != now) {
                notes.numbers["cold.at"] = now;
                notes.numbers["cold.run"] = entropies[b] < threshold ? notes.number("cold.run", 0) + 1 : 0;
              }
              stop[b] = notes.number("cold.run", 0) >= static_cast<double>(steps) || ends.contains(proposal.tokens[b]);
            }
            return stop;
          }};
}

void check_soft_thinking_options(const Json& options, const std::string& source) {
  const JsonReader in(options, "read_config", source);
  if (!is_temperature(number_option(options, "temperature"))) in.reject("temperature", "to be 0 or at least 1e-6");
  if (number_option(options, "top_k") < 0) in.reject("top_k", "to be at least 0 (0 = all tokens)");
  if (!(number_option(options, "top_p") > 0 && number_option(options, "top_p") <= 1))
    in.reject("top_p", "to lie in 0..1, 0 excluded");
  if (!(number_option(options, "min_p") >= 0 && number_option(options, "min_p") <= 1))
    in.reject("min_p", "to lie in 0..1");
  if (!(number_option(options, "cold_entropy") >= 0)) in.reject("cold_entropy", "to be at least 0 (0 = no cold stop)");
  if (number_option(options, "cold_steps") < 1) in.reject("cold_steps", "to be at least 1");
  const auto noise = options.at("noise").get<std::string>();
  if (noise != "none" && noise != "gumbel" && noise != "dirichlet") {
    in.reject("noise", "to be none, gumbel or dirichlet");
  }
  if (!(number_option(options, "gumbel_temperature") >= kLeastTemperature))
    in.reject("gumbel_temperature", "to be at least 1e-6");
  if (!(number_option(options, "dirichlet_alpha") > 0)) in.reject("dirichlet_alpha", "to be above 0");
  if (number_option(options, "seed") < 0) in.reject("seed", "to be at least 0");
}

}  // namespace

Method soft_thinking_method() {
  Method m;
  m.name = "soft-thinking";
  m.summary = "token chain of thought that feeds the whole distribution's mean embedding; without training";
  m.reference = "arXiv:2505.15778";
  m.options = {{"temperature", 0.6},     {"top_k", 30},       {"top_p", 0.95},   {"min_p", 0.001},
               {"cold_entropy", 0.01},   {"cold_steps", 256}, {"noise", "none"}, {"gumbel_temperature", 0.5},
               {"dirichlet_alpha", 1.0}, {"seed", 0}};
  m.check_options = check_soft_thinking_options;
  m.procedure = [](const MethodContext& context) {
    Procedure out = words_procedure(context);
    const SoftOptions options = read(context);
    out.think.feedback = soft_feedback(options);
    out.think.halt =
        soft_halt(chain_ends(context), options.mixture.temperature, context.option("cold_entropy").get<double>(),
                  context.option("cold_steps").get<int64_t>());
    return out;
  };
  return m;
}

}  // namespace tacit
