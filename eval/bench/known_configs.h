#pragma once

#include <string>
#include <vector>

#include "lib/core/json.h"

namespace tacit {

// Shapes that are measured by name, as their authors' config.json gives them: "gpt2" (124M parameters), "llama-1b"
// (Llama 3.2 1B), "qwen3-0.6b".
std::vector<std::string> known_configs();
Json known_config(const std::string& name);  // fails on another name, suggesting the nearest

}  // namespace tacit
