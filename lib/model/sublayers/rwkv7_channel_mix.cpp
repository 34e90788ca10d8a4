#include "lib/core/error.h"
#include "lib/model/sublayer.h"

namespace tacit {

std::unique_ptr<Sublayer> make_rwkv7_channel_mix(const ModelConfig&, const TakeWeight&) { fail("make_transformer", "rwkv7_channel_mix is not built yet"); }

}  // namespace tacit
