#include <algorithm>

#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// A decoder of another family whose whole stack runs `recurrences` times with the same weights [Universal Transformers,
// arXiv:1807.03819]. Nothing stands between the passes, each attends to its own keys and values, the final norm comes
// once, at the end. config.json is that of the family `base_model_type`, tensor names too.
ModelConfig read_config(const JsonReader& in) {
  const std::string base = in.string("base_model_type");
  const std::vector<std::string> known = family_names();
  const char* expectation = "to be the model_type of a decoder without recurrent depth";
  if (base == "universal" || std::ranges::find(known, base) == known.end()) in.reject("base_model_type", expectation);
  ModelConfig c = family(base).read_config(in);
  if (c.depth.recurrent) in.reject("base_model_type", expectation);
  c.depth.recurrent = true;
  c.depth.recurrences = in.integer_in("recurrences", 1, 1024);
  return c;
}

const Family& base_of(const ModelConfig& c) { return family(c.raw.at("base_model_type").get<std::string>()); }

std::vector<FileTensor> files(const ModelConfig& c) { return base_of(c).files(c); }

bool ignorable(const ModelConfig& c, const std::string& name) { return base_of(c).ignorable(c, name); }

}  // namespace

// "transformer." is GPT-2's; no other base's tensors begin so.
Family universal_family() { return {"universal", read_config, files, {"transformer."}, ignorable}; }

}  // namespace tacit
