#pragma once

#include <cstdint>

#include "lib/model/config.h"

namespace tacit {

// When a position of a model that thinks in depth leaves before the last recurrence: what it gives is then what a model
// of only so many recurrences would have given there. The others are computed and remembered all the same, as Ouro's
// own code does: later positions find what they would find if nobody left, whether they are fed at once or one by one.
struct DepthExit {
  // After the first recurrence by whose end the exit gate has let the position go with this probability [Ouro,
  // arXiv:2510.25741]; 1 = never, below 0 = the config's own.
  double threshold = -1;
  // After the first recurrence whose readout p_r is near that of the one before: KL(p_{r-1} || p_r) below this, nats;
  // 0 = never [Huginn, arXiv:2502.05171, section 6.1, where 5e-4 is used].
  double kl = 0;
};

// How often the shared blocks run, and where gradient flows.
struct DepthRun {
  int64_t recurrences = 0;    // 0 = the config's own number
  int64_t gradient_last = 0;  // gradient in only so many last recurrences, none in those before [truncated
                              // backpropagation through depth, Huginn, section 3.3]; 0 = in all
  DepthExit exit = {};
};

// Whether positions may leave before the last recurrence.
bool leaves_early(const ModelConfig& config, const DepthExit& exit);

}  // namespace tacit
