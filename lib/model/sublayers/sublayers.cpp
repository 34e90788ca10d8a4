#include "lib/model/sublayer.h"

namespace tacit {

std::unique_ptr<Sublayer> make_mixer(const ModelConfig& config, int64_t layer, const TakeWeight& take) {
  switch (config.layer(layer).mixer) {
    case MixerKind::attention: return make_attention(config, take);
    case MixerKind::latent_attention: return make_latent_attention(config, take);
    case MixerKind::rwkv7: return make_rwkv7_time_mix(config, layer, take);
    case MixerKind::log_linear: return make_log_linear(config, take);
  }
  return nullptr;
}

std::unique_ptr<Sublayer> make_feed_forward(const ModelConfig& config, int64_t layer, const TakeWeight& take) {
  switch (config.layer(layer).feed_forward) {
    case FeedForwardKind::mlp: return make_mlp(config, take);
    case FeedForwardKind::experts: return make_experts(config, take);
    case FeedForwardKind::rwkv7: return make_rwkv7_channel_mix(config, take);
  }
  return nullptr;
}

}  // namespace tacit
