#include "latent/train_start.h"

#include "lib/core/error.h"
#include "lib/model/checkpoint.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

// With rows for the last `added` tokens of the tokenizer, which start as the token "<<" does, or as the mean of all;
// some of them may be there, as padding.
std::shared_ptr<const Transformer> grown(const Transformer& model, const Tokenizer& tokenizer, int64_t added) {
  Json config = model.config().raw;
  const int64_t before = model.config().vocab_size, after = std::max(before, tokenizer.vocab_size());
  const int64_t first = tokenizer.vocab_size() - added;
  config["vocab_size"] = after;
  auto weights = model.weights();
  for (const std::string& name : {slots::embedding, slots::unembedding}) {
    const auto found = weights.find(name);
    if (found == weights.end()) continue;  // tied
    const at::Tensor known = found->second.narrow(0, 0, std::min(first, before));
    const auto like = tokenizer.id_of("<<");
    const at::Tensor row = like ? known.narrow(0, *like, 1) : known.mean(0, /*keepdim=*/true);
    const int64_t behind = std::max<int64_t>(before - tokenizer.vocab_size(), 0);
    found->second = at::cat({known, row.expand({tokenizer.vocab_size() - known.size(0), known.size(1)}),
                             found->second.narrow(0, before - behind, behind)});
  }
  return std::make_shared<const Transformer>(model_config_from_json(config, "config.json with 'add_tokens'"),
                                             std::move(weights));
}

std::shared_ptr<const Transformer> initial_model(const Method& how, const TrainConfig& config, const TrainData& data,
                                                 const MethodSettings& own) {
  if (config.init.empty()) {
    const ModelConfig model = model_config_from_json(config.model, "the training config's 'model'");
    return make_model(model, config.seed, config.matched_attention);
  }
  auto model = load_model(config.init);
  if (how.check_start) how.check_start(read_method_settings(model->config().raw, config.init.string()), own);
  if (how.restart) {
    const Json restarted = how.restart(model->config().raw, config.options);
    model =
        std::make_shared<const Transformer>(model_config_from_json(restarted, config.init.string()), model->weights());
  }
  const int64_t added = std::ssize(config.add_tokens);
  return added > 0 ? grown(*model, *data.tokenizer, added) : model;
}

MethodWeights own_weights(const Method& how, const TrainConfig& config, const ModelConfig& model,
                          const ObjectiveContext& context) {
  if (!how.weights) return {};
  MethodWeights out = how.weights(model, context, config.seed);
  MethodWeights earlier;
  if (!config.init.empty()) {
    const auto file = config.init / "config.json";
    const std::string theirs = read_method_settings(read_json(file, "train"), file.string()).method;
    if (theirs == how.name || how.check_start) earlier = load_method_weights(config.init);
  }
  for (auto& [name, weight] : out) {
    const auto found = earlier.find(name);
    if (found != earlier.end()) {
      require(found->second.sizes() == weight.sizes(), "train", "expected '", name, "' of shape ",
              shape_text(weight.sizes()), " but got ", shape_text(found->second.sizes()), " in ", config.init.string());
      weight = found->second;
    }
    weight = weight.detach().to(weight.options().device(config.device), /*non_blocking=*/false, /*copy=*/true);
    weight.set_requires_grad(true);
  }
  return out;
}

std::shared_ptr<const Transformer> moved(std::shared_ptr<const Transformer> model, at::Device device) {
  if (model->device() == device) return model;
  TensorMap weights;
  for (const auto& [name, weight] : model->weights()) weights[name] = weight.to(device);
  return std::make_shared<const Transformer>(model->config(), std::move(weights));
}

}  // namespace

TrainStart make_start(const Method& how, const TrainConfig& config, const TrainData& data,
                      const ObjectiveContext& context) {
  require(!config.init.empty() || !how.check_start, "train",
          "expected a checkpoint to start from ('init') for method '", how.name, "' but got none");
  const auto initial = initial_model(how, config, data, context.settings);
  if (how.check_model) how.check_model(initial->config());
  require(initial->config().vocab_size >= data.tokenizer->vocab_size(), "train",
          "expected a model with a vocabulary of at least ", data.tokenizer->vocab_size(), " words but got ",
          initial->config().vocab_size);
  ObjectiveContext with_model = context;
  with_model.start = initial.get();
  return {trainable_copy(*moved(initial, config.device)), own_weights(how, config, initial->config(), with_model),
          initial->config().raw};
}

}  // namespace tacit
