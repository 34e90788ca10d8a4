#include "lib/core/error.h"
#include "lib/model/sublayer.h"

namespace tacit {

std::unique_ptr<Sublayer> make_rwkv7_time_mix(const ModelConfig&, int64_t, const TakeWeight&) { fail("make_transformer", "rwkv7_time_mix is not built yet"); }

}  // namespace tacit
