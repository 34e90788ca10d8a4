#include <ATen/ops/logsumexp.h>

#include <cmath>
#include <cstdio>
#include <iostream>

#include "apps/commands.h"
#include "apps/known_names.h"
#include "apps/options.h"
#include "apps/runtime.h"
#include "decoding/solve.h"
#include "eval/open_model.h"
#include "latent/method.h"
#include "latent/session.h"
#include "lib/core/error.h"
#include "lib/model/arithmetic.h"
#include "lib/model/checkpoint.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {
namespace {

struct Scored {
  std::vector<int64_t> tokens;
  std::vector<double> logprobs;  // of tokens 1, 2, ..; empty where the model sees the token that it would predict
  std::vector<float> logits_last;
  bool reads_at_once = false;              // logits_last are the last position's own, not the next one's
  std::vector<std::vector<float>> hidden;  // one vector a thought
  OrderedJson arithmetic;                  // arithmetic_json()
};

std::vector<float> floats(const at::Tensor& values_N) {
  const at::Tensor plain = values_N.to(at::kCPU, at::kFloat).contiguous();
  return {plain.const_data_ptr<float>(), plain.const_data_ptr<float>() + plain.numel()};
}

// log p(token i + 1 | tokens up to i), in fp64 from the model's logits; a few positions at a time, for V may be large.
std::vector<double> log_probabilities(const at::Tensor& logits_TV, const std::vector<int64_t>& tokens) {
  constexpr int64_t kChunk = 64;
  const int64_t count = static_cast<int64_t>(tokens.size()) - 1;
  std::vector<double> out;
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    const int64_t size = std::min(kChunk, count - begin);
    const at::Tensor wide_TV = logits_TV.narrow(0, begin, size).to(at::kDouble);
    const at::Tensor next_T =
        at::tensor(at::ArrayRef<int64_t>(tokens).slice(begin + 1, size), at::kLong).to(wide_TV.device());
    const at::Tensor chosen_T = wide_TV.gather(1, next_T.unsqueeze(1)).squeeze(1) - wide_TV.logsumexp(1);
    const at::Tensor host_T = chosen_T.to(at::kCPU).contiguous();
    out.insert(out.end(), host_T.const_data_ptr<double>(), host_T.const_data_ptr<double>() + size);
  }
  return out;
}

template <class Number>
void require_finite(const std::vector<Number>& values, const char* what) {
  for (const Number value : values)
    require(std::isfinite(value), "score", "expected finite ", what, " but got ", value);
}

// How to think. No marker stands between the given tokens and the thoughts: what is scored is what was given.
Procedure thinking(const CommonOptions& common, const Transformer& model) {
  const std::string source = (common.model / "config.json").string();
  const MethodSettings settings = read_method_settings(model.config().raw, source);
  std::shared_ptr<const Tokenizer> tokenizer;
  const bool has_markers = !(settings.markers.think + settings.markers.answer + settings.markers.pause).empty();
  if (has_markers) tokenizer = load_tokenizer(common.model);
  const Method& how = method(common.method, settings);
  Procedure out = bind_method(how, settings, tokenizer.get(), how.counts_thoughts ? common.latents : -1,
                              load_method_weights(common.model, model.device()));
  // A chain in words ends after as many; a thought may take several positions.
  if (!how.counts_thoughts) out.think.max_steps = std::min(out.think.max_steps, common.latents);
  require(out.max_thoughts() > 0, "score", "expected a method that thinks beside --latents but got '", how.name, "'");
  return out;
}

// What a method reads through a mask was not trained to be read from left to right.
void require_causal(const CommonOptions& common, const Transformer& model) {
  const MethodSettings settings = read_method_settings(model.config().raw, (common.model / "config.json").string());
  if (settings.method.empty() || !has_tokenizer(common.model)) return;
  const Method& how = method(settings.method);
  if (!how.procedure) return;
  const Procedure own = bind_method(how, settings, load_tokenizer(common.model).get(), /*latents=*/-1,
                                    load_method_weights(common.model, model.device()));
  require(!own.mask, "score", "expected a checkpoint that reads from left to right but method '", how.name,
          "' reads its prompts through a mask, as eval and run do");
}

Scored score(const CommonOptions& common, std::vector<int64_t> tokens) {
  const auto model = load_model(common.model, load_options(common));
  require_causal(common, *model);
  if (common.recurrences > 0 && !model->config().depth.recurrent) {
    throw UsageError("expected no '--recurrences' for a model without recurrent depth but got " +
                     std::to_string(common.recurrences));
  }
  const int64_t asked = std::max<int64_t>(common.latents, 0);
  const int64_t count = static_cast<int64_t>(tokens.size());
  require(asked == 0 || !model->config().bidirectional, "score", "expected no --latents for a ", model->config().family,
          " model, which reads its input at once and thinks in depth (--recurrences), but got ", asked);
  std::optional<Procedure> think;
  if (asked > 0) think = thinking(common, *model);
  const int64_t thoughts = think ? think->max_thoughts() : 0;
  require(count >= 1, "score", "expected at least one token");
  require(count + thoughts <= model->config().max_positions, "score", "expected at most ",
          model->config().max_positions, " tokens and thoughts (the model's positions) but got ", count, " + ",
          thoughts);
  Session session(model, {.rows = 1,
                          .capacity = count + thoughts,
                          .recurrences = common.recurrences,
                          .keep_layers = think && think->think.feedback.reads_layers,
                          .exit = think ? think->exit : DepthExit()});
  const at::Tensor logits_TV = session.feed_for_logits({tokens})[0];
  Scored out;
  out.arithmetic = arithmetic_json(*model);
  if (!model->config().bidirectional) out.logprobs = log_probabilities(logits_TV, tokens);
  out.logits_last = floats(logits_TV[-1]);
  out.reads_at_once = model->config().bidirectional;
  if (think) {
    const Thoughts result = think_of(session, *think, /*keep_trace=*/true);
    for (int64_t k = 0; k < result.steps[0]; ++k) out.hidden.push_back(floats(result.trace_BKD[0][k]));
    out.logits_last = floats(session.logits_BV()[0]);
  }
  require_finite(out.logprobs, "log probabilities");
  for (const auto& hidden : out.hidden) require_finite(hidden, "thoughts");
  require_finite(out.logits_last, "logits");
  out.tokens = std::move(tokens);
  return out;
}

void print_json(const Scored& scored, bool with_hidden) {
  OrderedJson logprobs = OrderedJson::array({nullptr});
  for (double value : scored.logprobs) logprobs.push_back(value);
  while (logprobs.size() < scored.tokens.size()) logprobs.push_back(nullptr);
  OrderedJson out = {{"tokens", scored.tokens}, {"logprobs", logprobs}, {"logits_last", scored.logits_last}};
  out.update(scored.arithmetic);
  if (with_hidden) out["hidden"] = scored.hidden;
  std::cout << dump(out) << "\n";
}

void print_table(const Scored& scored, const Tokenizer* tokenizer) {
  auto shown = [&](int64_t id) { return tokenizer ? "  " + dump(OrderedJson(tokenizer->token(id))) : std::string(); };
  std::printf("%8s %12s\n", "token", "log p");
  double sum = 0;
  for (size_t i = 0; i < scored.tokens.size(); ++i) {
    const std::string text = shown(scored.tokens[i]);
    if (i == 0 || scored.logprobs.empty()) {
      std::printf("%8lld %12s%s\n", static_cast<long long>(scored.tokens[i]), "-", text.c_str());
    } else {
      sum += scored.logprobs[i - 1];
      std::printf("%8lld %12.4f%s\n", static_cast<long long>(scored.tokens[i]), scored.logprobs[i - 1], text.c_str());
    }
  }
  if (!scored.logprobs.empty()) std::printf("\nsum %.4f nats\n", sum);
  for (size_t k = 0; k < scored.hidden.size(); ++k) {
    double square = 0;
    for (float value : scored.hidden[k]) square += static_cast<double>(value) * value;
    std::printf("thought %zu: length %.4f\n", k + 1, std::sqrt(square));
  }
  std::vector<int64_t> order(scored.logits_last.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  const size_t top = std::min<size_t>(5, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                    [&](int64_t a, int64_t b) { return scored.logits_last[a] > scored.logits_last[b]; });
  std::printf(scored.reads_at_once ? "\nlast position, by logit:\n" : "\nnext token, by logit:\n");
  for (size_t i = 0; i < top; ++i) {
    std::printf("%8lld %12.4f%s\n", static_cast<long long>(order[i]), static_cast<double>(scored.logits_last[order[i]]),
                shown(order[i]).c_str());
  }
  std::fflush(stdout);
}

int run_score(const std::vector<std::string>& args) {
  CommonOptions common;
  std::optional<std::string> ids, text;
  Options options("score",
                  "Log-likelihood of tokens, and the logits after the last of them or after thoughts that follow it.",
                  "tacit score --model models/frontier --tokens 1,2,3\n"
                  "tacit score --model models/frontier --tokens 1,2,3 --latents 2 --json");
  options.common(common, {"model"});
  options.add("tokens", "IDS", &ids, "token ids, separated by commas");
  options.add("text", "S", &text, "text to tokenize instead; no BOS or EOS is added");
  options.add("latents", "N", &common.latents,
              "thoughts after the last token, of a method in words the most words (default 0); no marker is inserted",
              0, kMostThoughts);
  options.common(common, {"method", "recurrences", "device", "dtype", "weights", "threads", "json", "config"});
  if (!options.parse(args)) return kDone;
  options.require_option("model");
  check_method(options, common.method);
  if (ids.has_value() == text.has_value()) options.reject("expected either '--tokens' or '--text'");
  use_threads(common.threads);
  require_model_folder(common.model, "score");

  std::shared_ptr<const Tokenizer> tokenizer;
  if (text || (!common.json && has_tokenizer(common.model))) tokenizer = load_tokenizer(common.model);
  const Scored scored = score(common, text ? tokenizer->encode(*text) : parse_ids(*ids, "tokens"));
  if (common.json) {
    print_json(scored, common.latents > 0);
  } else {
    print_table(scored, tokenizer.get());
  }
  return kDone;
}

}  // namespace

Command score_command() {
  return {"score", "log-likelihood of given tokens, logits after them or after thoughts", run_score};
}

}  // namespace tacit
