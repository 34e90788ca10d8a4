#include "latent/methods/methods.h"

namespace tacit {

// No chain of thought: question, then the answer. The floor that every other method is measured from.
Method direct_method() {
  Method m;
  m.name = "direct";
  m.summary = "answers at once, no thoughts";
  m.reference = "baseline";
  m.procedure = plain_procedure;
  m.row = direct_row;
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
