#include "datasets/reach_words.h"

namespace tacit {
namespace {

constexpr std::string_view kConcepts[] = {
    "balpus",  "barpus",  "bimpus",  "blempus", "bompus",  "brelpus", "chompus", "crumpus", "dalpus",  "dimpus",
    "dolpus",  "drempus", "fampus",  "felpus",  "flompus", "frimpus", "galpus",  "gerpus",  "glumpus", "gompus",
    "hampus",  "helpus",  "hirpus",  "jalpus",  "jompus",  "jurpus",  "kempus",  "kilpus",  "klorpus", "lampus",
    "lerpus",  "lumpus",  "malpus",  "mimpus",  "morpus",  "nelpus",  "nimpus",  "norpus",  "palpus",  "plempus",
    "prompus", "quarpus", "quompus", "relpus",  "rimpus",  "rolpus",  "sarpus",  "scalpus", "shimpus", "skorpus",
    "slempus", "stompus", "talpus",  "thimpus", "trorpus", "tulpus",  "valpus",  "vimpus",  "vorpus",  "walpus",
    "whempus", "wimpus",  "yalpus",  "yorpus",  "zalpus",  "zempus",  "zhimpus", "zorpus",
};

constexpr std::string_view kNames[] = {
    "Ada", "Ben",  "Clara", "Dan",  "Ella",  "Finn", "Grace", "Hugo", "Iris", "John", "Kate", "Leo",
    "Mia", "Noah", "Olga",  "Paul", "Quinn", "Rosa", "Simon", "Tess", "Uma",  "Vera", "Will", "Zoe",
};

}  // namespace

std::span<const std::string_view> concept_words() { return kConcepts; }
std::span<const std::string_view> first_names() { return kNames; }

}  // namespace tacit
