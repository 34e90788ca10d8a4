#pragma once

#include <string>
#include <vector>

#include "latent/method.h"

namespace tacit {

// Of these options of the method, as bind_method() takes them, the ones that its procedure never looks at: training
// alone reads them, so another value changes no answer. Fails where bind_method() would.
std::vector<std::string> unread_options(const Method& method, const MethodSettings& settings,
                                        const Tokenizer* tokenizer, const MethodWeights& weights, const Json& given);

}  // namespace tacit
