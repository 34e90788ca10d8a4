#include "latent/option_use.h"

#include <exception>

namespace tacit {

// Whoever reads an option fails on a value that is of no option's kind.
static bool reads(const Method& method, const MethodContext& context, const std::string& name) {
  MethodSettings settings = context.settings;
  settings.options[name] = Json::array({nullptr});
  try {
    method.procedure({settings, context.tokenizer, context.latents, context.weights});
    return false;
  } catch (const std::exception&) {
    return true;
  }
}

std::vector<std::string> unread_options(const Method& method, const MethodSettings& settings,
                                        const Tokenizer* tokenizer, const MethodWeights& weights, const Json& given) {
  std::vector<std::string> out;
  if (!method.procedure) return out;
  MethodSettings complete = settings;
  complete.options = bind_method(method, settings, tokenizer, /*latents=*/-1, weights, given).options;
  for (const auto& [name, value] : given.items()) {
    if (!reads(method, {complete, tokenizer, settings.latents, weights}, name)) out.push_back(name);
  }
  return out;
}

}  // namespace tacit
