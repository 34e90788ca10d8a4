#include <algorithm>
#include <cmath>

#include "latent/methods/methods.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {
namespace {

// Tokens removed beyond the stage's own number: P(o) = (1 - exp(-lambda)) exp(-lambda o) [iCoT, arXiv:2405.14838,
// section 3, "removal smoothing"]; lambda 0 = none.
int64_t removal_offset(double lambda, uint64_t seed) {
  constexpr uint32_t offset_stream = 0x6963'6f74;  // apart from other draws of the same seed
  if (lambda == 0) return 0;
  Rng rng(seed, 0, offset_stream);
  return static_cast<int64_t>(-std::log(1 - rng.uniform()) / lambda);
}

// Stage s: the first s * remove_per_stage tokens of the chain, and the offset, are gone; in the last stage all are,
// and the think marker with them.
TrainingRow icot_row(const Example& example, const ObjectiveContext& context) {
  const Json& options = context.settings.options;
  TrainingRow row{.prompt = context.tokenizer.encode(example.question)};
  std::vector<int64_t> chain = context.tokenizer.encode(chain_text(example));
  int64_t gone = context.stage * options.at("remove_per_stage").get<int64_t>() +
                 removal_offset(options.at("smoothing").get<double>(), context.seed);
  if (context.stage == options.at("removal_stages").get<int64_t>()) gone = std::ssize(chain);
  chain.erase(chain.begin(), chain.begin() + std::min(gone, std::ssize(chain)));
  if (!chain.empty()) {
    append(row, marker_ids(context.settings.markers.think, context), false);
    append(row, chain, true);
  }
  append_answer(row, example, context, !chain.empty());
  return row;
}

void check_icot_options(const Json& options, const std::string& source) {
  const JsonReader in(options, "read_config", source);
  for (const char* name : {"remove_per_stage", "removal_stages"}) {
    const auto value = options.at(name).get<int64_t>();
    if (value < 1 || value > 4096) in.reject(name, "to lie in 1..4096");
  }
  const auto smoothing = options.at("smoothing").get<double>();
  if (!(smoothing >= 0)) in.reject("smoothing", "to be at least 0 (0 = none)");
}

}  // namespace

Method icot_method() {
  Method m;
  m.name = "icot";
  m.summary = "answers at once; trained by removing the written chain of thought from its left, token by token";
  m.reference = "arXiv:2405.14838";
  m.options = {{"remove_per_stage", 1}, {"removal_stages", 6}, {"smoothing", 4.0}};
  m.check_options = check_icot_options;
  m.procedure = plain_procedure;
  m.row = icot_row;
  m.stages_of_options = [](const Json& options) { return options.at("removal_stages").get<int64_t>() + 1; };
  return m;
}

}  // namespace tacit
