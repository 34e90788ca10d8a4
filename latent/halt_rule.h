#pragma once

#include <string>

#include "latent/method.h"

namespace tacit {

// A halting rule by name, chosen for a procedure whose method has another (latent/halt.h). The procedure's number of
// thoughts stays the bound.
struct HaltRule {
  enum class Kind {
    fixed,        // that number of thoughts
    entropy,      // halt::entropy(value)
    convergence,  // halt::convergence(value)
    flops,        // halt::budget_flops(value)
    learned,      // halt::head of the checkpoint's own weights with threshold `value` (method halting)
    oracle,       // after the first thought whose answer is right: of an evaluation, which knows the answers
  };
  Kind kind = Kind::fixed;
  double value = 0;
};

// "fixed", "entropy:NATS", "convergence:SHARE", "flops:N", "learned", "learned:PROBABILITY" (0.5 unless given),
// "oracle". Fails on anything else.
HaltRule parse_halt_rule(const std::string& text);
std::string to_text(const HaltRule& rule);

// Names of a head's weights among a method's own: weight [D] and bias [1].
inline constexpr const char* kHaltingWeight = "halting.weight";
inline constexpr const char* kHaltingBias = "halting.bias";

// The procedure with this rule. `recurrences`: SessionOptions::recurrences. Fails for procedures that think in words,
// which end them themselves, or at all positions at once; where a learned rule finds no head; and for the oracle.
Procedure with_halt(Procedure procedure, const HaltRule& rule, const ModelConfig& config, int64_t recurrences,
                    const MethodWeights& weights);

}  // namespace tacit
