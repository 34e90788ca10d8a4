#include "lib/model/sublayer.h"

namespace tacit {

std::unique_ptr<Sublayer> make_mixer(const ModelConfig& config, int64_t layer, const TakeWeight& take) {
  switch (config.layer(layer).mixer) {
    case MixerKind::attention: return make_attention(config, take);
  }
  return nullptr;
}

std::unique_ptr<Sublayer> make_feed_forward(const ModelConfig& config, int64_t layer, const TakeWeight& take) {
  switch (config.layer(layer).feed_forward) {
    case FeedForwardKind::mlp: return make_mlp(config, take);
  }
  return nullptr;
}

}  // namespace tacit
