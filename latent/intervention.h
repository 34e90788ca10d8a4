#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "latent/method.h"

namespace tacit {

// What is fed back in place of a row's own thoughts, to find out whether an answer depends on them. Thought k counts
// from 1; own means what the feedback proposes.
enum class InterventionKind {
  zero,      // zeros
  mean,      // the mean of all problems' clean thoughts k; beyond the longest, of the last
  noise,     // Gaussian noise, as long as the own vector
  swap,      // another problem's clean thoughts, as many as that one had
  permute,   // the problem's own clean thoughts in another order
  truncate,  // nothing after thought `at`, then the answer; at = 0: no thoughts
  freeze,    // thought `at` again in place of every later one
  perturb,   // the own vector plus Gaussian noise of `size` times its root mean square, in every component
};

struct Intervention {
  InterventionKind kind = InterventionKind::zero;
  int64_t at = 0;     // truncate: >= 0, freeze: >= 1
  double size = 0;    // perturb: >= 0
  uint64_t seed = 0;  // of noise, partners and orders; each problem's draws depend on nothing else
};

// "zero", "mean", "noise", "swap", "permute", "truncate:K", "freeze:K", "perturb:SIZE". Fails on anything else.
Intervention parse_intervention(const std::string& text, uint64_t seed = 0);
std::string to_text(const Intervention& what);

// What problems think when nobody interferes: by problem, which is a row's id (Session::name_rows).
struct ThoughtBank {
  std::vector<at::Tensor> thoughts_KD;       // the vectors fed back, each problem as many as it took
  std::vector<std::vector<int64_t>> tokens;  // those of thoughts that are words; else empty lists
};

// Whether intervene() takes a bank: mean, swap, permute.
bool needs_bank(const Intervention& what);

// By problem, given how many thoughts each took: another one, each named once, of as many thoughts where there is one.
// Fails where there is one problem only.
std::vector<int64_t> swap_partners(const std::vector<int64_t>& thoughts, uint64_t seed);

// The procedure with its thoughts replaced. What changes is the vectors fed back, in a parallel procedure the inputs of
// the last iteration, and nothing else: the memory of prompt and earlier positions, the answer marker and the decoding
// of the answer stay. swap and permute end when the thoughts that are fed do, and report their tokens; under every
// other kind the halting rule sees, and a chain of words reports, the tokens that the model proposes. A parallel
// procedure is truncated to its first positions. Fails where the procedure takes no thoughts.
Procedure intervene(Procedure procedure, const Intervention& what, std::shared_ptr<const ThoughtBank> bank = nullptr);

}  // namespace tacit
