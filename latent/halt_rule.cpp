#include "latent/halt_rule.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

constexpr double kLargest = std::numeric_limits<double>::max();

struct RuleName {
  HaltRule::Kind kind;
  const char* name;
  const char* value;  // what stands behind the colon; "" = nothing
  double otherwise, least, most;
};
constexpr RuleName kRules[] = {
    {HaltRule::Kind::fixed, "fixed", "", 0, 0, 0},
    {HaltRule::Kind::entropy, "entropy", "NATS", -1, 0, kLargest},
    {HaltRule::Kind::convergence, "convergence", "SHARE", -1, 0, kLargest},
    {HaltRule::Kind::flops, "flops", "N", -1, 0, kLargest},
    {HaltRule::Kind::learned, "learned", "PROBABILITY", 0.5, 0, 1},
    {HaltRule::Kind::oracle, "oracle", "", 0, 0, 0},
};

}  // namespace

HaltRule parse_halt_rule(const std::string& text) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon), value = colon == text.npos ? "" : text.substr(colon + 1);
  std::vector<std::string> names;
  std::string listed;
  for (const RuleName& rule : kRules) {
    names.push_back(rule.name);
    const bool takes = *rule.value, needs = rule.otherwise < rule.least;
    std::string form = rule.name;
    if (takes) form += needs ? std::string(":") + rule.value : std::string("[:") + rule.value + "]";
    listed += (listed.empty() ? "" : ", ") + form;
    if (name != rule.name) continue;
    HaltRule out{rule.kind, rule.otherwise};
    bool fits = takes ? !needs || colon != text.npos : colon == text.npos;
    if (colon != text.npos && takes) {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out.value);
      fits = !value.empty() && error == std::errc() && end == value.data() + value.size() && out.value >= rule.least &&
             out.value <= rule.most;
    }
    const char* bound = rule.most == 1 ? " from 0 to 1" : takes ? " of at least 0" : "";
    require(fits, "halt", "expected '", form, "'", takes ? std::string(" with a number") + bound : std::string(),
            " but got '", text, "'");
    return out;
  }
  fail("halt", "expected one of ", listed, " but got '", text, "'", did_you_mean(name, names));
}

std::string to_text(const HaltRule& rule) {
  for (const RuleName& known : kRules) {
    if (known.kind != rule.kind) continue;
    if (!*known.value || rule.value == known.otherwise) return known.name;
    char text[32];
    return std::string(known.name) + ":" + std::string(text, std::to_chars(text, text + sizeof text, rule.value).ptr);
  }
  return "";
}

Procedure with_halt(Procedure procedure, const HaltRule& rule, const ModelConfig& config, int64_t recurrences,
                    const MethodWeights& weights) {
  require(!procedure.in_words && !procedure.parallel, "halt",
          "expected a method that takes one thought after the other and no words but got '", procedure.method, "'");
  Halt& halt = procedure.think.halt;
  switch (rule.kind) {
    case HaltRule::Kind::fixed: halt = halt::fixed(procedure.think.max_steps); break;
    case HaltRule::Kind::entropy: halt = halt::entropy(rule.value); break;
    case HaltRule::Kind::convergence: halt = halt::convergence(rule.value); break;
    case HaltRule::Kind::flops: {
      ModelConfig run = config;
      if (recurrences > 0) run.depth.recurrences = recurrences;
      halt = halt::budget_flops(run, rule.value);
      break;
    }
    case HaltRule::Kind::learned: {
      const auto weight = weights.find(kHaltingWeight), bias = weights.find(kHaltingBias);
      require(weight != weights.end() && bias != weights.end(), "halt",
              "expected a checkpoint with a head that halts (method 'halting') for 'learned' but got none");
      halt = halt::head(weight->second, bias->second, rule.value);
      break;
    }
    case HaltRule::Kind::oracle: fail("halt", "expected an evaluation, which knows the answers, for 'oracle'");
  }
  return procedure;
}

}  // namespace tacit
