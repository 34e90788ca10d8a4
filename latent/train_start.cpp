#include "latent/train_start.h"

#include "lib/core/error.h"
#include "lib/model/checkpoint.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// With rows for new tokens, which start as the token "<<" does, or as the mean of all.
std::shared_ptr<const Transformer> grown(const Transformer& model, const Tokenizer& tokenizer) {
  Json config = model.config().raw;
  config["vocab_size"] = tokenizer.vocab_size();
  const int64_t added = tokenizer.vocab_size() - model.config().vocab_size;
  auto weights = model.weights();
  for (const std::string& name : {slots::embedding, slots::unembedding}) {
    const auto found = weights.find(name);
    if (found == weights.end()) continue;  // tied
    const at::Tensor& rows = found->second;
    const auto like = tokenizer.id_of("<<");
    const at::Tensor row = like ? rows.narrow(0, *like, 1) : rows.mean(0, /*keepdim=*/true);
    found->second = at::cat({rows, row.expand({added, rows.size(1)})});
  }
  return std::make_shared<const Transformer>(model_config_from_json(config, "config.json with 'add_tokens'"),
                                             std::move(weights));
}

std::shared_ptr<const Transformer> initial_model(const Method& how, const TrainConfig& config, const TrainData& data) {
  if (config.init.empty()) {
    const ModelConfig model = model_config_from_json(config.model, "the training config's 'model'");
    return make_model(model, config.seed, config.matched_attention);
  }
  auto model = load_model(config.init);
  if (how.check_start) how.check_start(read_method_settings(model->config().raw, config.init.string()), config.options);
  if (how.restart) {
    const Json restarted = how.restart(model->config().raw, config.options);
    model =
        std::make_shared<const Transformer>(model_config_from_json(restarted, config.init.string()), model->weights());
  }
  const bool grows = !config.add_tokens.empty() && data.tokenizer->vocab_size() > model->config().vocab_size;
  return grows ? grown(*model, *data.tokenizer) : model;
}

MethodWeights own_weights(const Method& how, const TrainConfig& config, const ModelConfig& model,
                          const ObjectiveContext& context) {
  if (!how.weights) return {};
  MethodWeights out = how.weights(model, context, config.seed);
  const MethodWeights earlier = config.init.empty() ? MethodWeights() : load_method_weights(config.init);
  for (auto& [name, weight] : out) {
    const auto found = earlier.find(name);
    if (found != earlier.end()) {
      require(found->second.sizes() == weight.sizes(), "train", "expected '", name, "' of shape ",
              shape_text(weight.sizes()), " but got ", shape_text(found->second.sizes()), " in ", config.init.string());
      weight = found->second;
    }
    weight = weight.detach().clone().set_requires_grad(true);
  }
  return out;
}

}  // namespace

TrainStart make_start(const Method& how, const TrainConfig& config, const TrainData& data,
                      const ObjectiveContext& context) {
  require(!config.init.empty() || !how.check_start, "train",
          "expected a checkpoint to start from ('init') for method '", how.name, "' but got none");
  const auto initial = initial_model(how, config, data);
  require(initial->config().vocab_size >= data.tokenizer->vocab_size(), "train",
          "expected a model with a vocabulary of at least ", data.tokenizer->vocab_size(), " words but got ",
          initial->config().vocab_size);
  ObjectiveContext with_model = context;
  with_model.start = initial.get();
  return {trainable_copy(*initial), own_weights(how, config, initial->config(), with_model), initial->config().raw};
}

}  // namespace tacit
