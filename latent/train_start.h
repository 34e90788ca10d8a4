#pragma once

#include <memory>

#include "latent/method.h"
#include "latent/train_data.h"
#include "latent/train_method.h"

namespace tacit {

// What a training begins with.
struct TrainStart {
  std::shared_ptr<Transformer> model;  // leaves that require gradients
  MethodWeights own;                   // of the method, leaves as well
  Json config;                         // config.json as it will be written, but for the section "tacit"
};

// Random weights of the recipe's model, or those of the checkpoint `init`, with rows for new tokens where it asks for
// them. A checkpoint of the same method brings the method's own weights along; those that it lacks start afresh. All on
// the config's device.
TrainStart make_start(const Method& how, const TrainConfig& config, const TrainData& data,
                      const ObjectiveContext& context);

}  // namespace tacit
