#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "latent/method.h"
#include "lib/model/checkpoint.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {

// A checkpoint opened for evaluation.
struct LoadedModel {
  std::filesystem::path directory;
  std::shared_ptr<const Transformer> model;
  std::shared_ptr<const Tokenizer> tokenizer;  // null when the directory has no tokenizer file
  MethodSettings settings;
  MethodWeights method_weights;  // empty where the method has none
  std::string weights_sha256;    // empty = taken from the directory when a run is written
};
LoadedModel open_model(const std::filesystem::path& directory, const LoadOptions& options = {});

// The method called `name` ("latent" = the checkpoint's own), bound to what the checkpoint says. Fails where the method
// needs another kind of model.
Procedure bind_method(const LoadedModel& model, const std::string& name, int64_t latents = -1,
                      const Json& options = Json::object());

// The tokens of example `id` as the model reads it. Fails where its words are not the tokenizer's, and where it has
// none.
std::vector<int64_t> encode_question(const LoadedModel& model, const std::string& id, const std::string& text,
                                     std::string_view operation);

// Fails where a file stands in a checkpoint's place.
void require_model_folder(const std::filesystem::path& directory, std::string_view operation);

// Fails, as load_tokenizer does, where the directory has no tokenizer file.
void require_tokenizer(const LoadedModel& model);

// Name in a table: the directory's own name.
std::string model_name(const std::filesystem::path& directory);

// SHA-256 of model.safetensors; of a checkpoint in shards that of the lines "<sha256>  <file>\n", one a shard in name
// order, which is `sha256sum *.safetensors | sha256sum`.
std::string hash_weights(const std::filesystem::path& directory);

}  // namespace tacit
