#include <algorithm>
#include <array>
#include <string_view>

#include "lib/model/family.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// The decoders without recurrent depth. Another family's reader would complain of fields that nobody wrote.
constexpr std::array<std::string_view, 9> kBases = {"gpt2",    "gpt_neox",    "llama", "qwen2", "qwen3",
                                                    "mixtral", "deepseek_v3", "rwkv7", "tacit"};

// A decoder of another family whose whole stack runs `recurrences` times with the same weights [Universal Transformers,
// arXiv:1807.03819]. Nothing stands between the passes, each attends to its own keys and values, the final norm comes
// once, at the end. config.json is that of the family `base_model_type`, tensor names too.
ModelConfig read_config(const JsonReader& in) {
  const std::string base = in.string("base_model_type");
  if (std::ranges::find(kBases, base) == kBases.end()) {
    std::string listed;
    for (const std::string_view name : kBases) listed += (listed.empty() ? "" : ", ") + std::string(name);
    in.reject("base_model_type", "to be the model_type of a decoder without recurrent depth: one of " + listed);
  }
  ModelConfig c = family(base).read_config(in);
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
