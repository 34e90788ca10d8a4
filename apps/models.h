#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

namespace tacit {

// Folders of models/, named after the method that trained them.
inline constexpr std::array<std::string_view, 6> kEmbeddedModels = {"frontier",     "coconut", "cot",
                                                                    "cot-frontier", "pause",   "direct"};

// The folder of the embedded checkpoints: `given` unless empty; else, from where the executable lies, the first that
// exists of <prefix>/share/tacit/models (installed) and <source tree>/models (build/<preset>/bin). Fails naming what
// was looked for.
std::filesystem::path models_folder(const std::filesystem::path& given, std::string_view operation);

// A checkpoint in it. Fails with `operation` when it has no config.json.
std::filesystem::path embedded_model(const std::filesystem::path& models, std::string_view name,
                                     std::string_view operation);

}  // namespace tacit
