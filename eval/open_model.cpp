#include "eval/open_model.h"

#include <algorithm>

#include "lib/core/descriptor.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/json.h"

namespace tacit {

void require_model_folder(const std::filesystem::path& directory, std::string_view operation) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(directory, error);
  if (status.type() == std::filesystem::file_type::none)  // whether there is one the system does not say
    fail_with_errno(operation, "a model's folder, with config.json and weights,", directory, error.value());
  require(std::filesystem::exists(status), operation,
          "expected a model's folder, with config.json and weights, but there is none at ", directory.string());
  require(std::filesystem::is_directory(status), operation,
          "expected a model's folder, with config.json and weights, but got the file ", directory.string());
}

// generation_config.json comes first, as in transformers' generate().
static std::vector<int64_t> end_tokens_of(const std::filesystem::path& directory) {
  for (const char* name : {"generation_config.json", "config.json"}) {
    const std::filesystem::path file = directory / name;
    if (!std::filesystem::exists(file)) continue;
    const Json json = read_json(file, "open_model");
    const Json ids = json.is_object() ? json.value("eos_token_id", Json()) : Json();
    if (ids.is_null()) continue;
    std::vector<int64_t> out;
    for (const Json& id : ids.is_array() ? ids : Json::array({ids})) {
      require(id.is_number_integer(), "open_model",
              "expected 'eos_token_id' to be a token or a list of tokens but got ", ids.dump(), " in ", file.string());
      out.push_back(id.get<int64_t>());
    }
    return out;
  }
  return {};
}

LoadedModel open_model(const std::filesystem::path& directory, const LoadOptions& options) {
  require_model_folder(directory, "open_model");
  const std::filesystem::path config = directory / "config.json";
  LoadedModel out;
  out.directory = directory;
  out.settings = read_method_settings(read_json(config, "open_model"), config.string());
  if (out.settings.markers.end.empty()) out.settings.end_tokens = end_tokens_of(directory);
  if (has_tokenizer(directory)) out.tokenizer = load_tokenizer(directory);
  out.model = load_model(directory, options);
  out.method_weights = load_method_weights(directory, options.device);
  return out;
}

Procedure bind_method(const LoadedModel& model, const std::string& name, int64_t latents, const Json& options) {
  const Method& how = method(name, model.settings);
  if (how.check_model) how.check_model(model.model->config());
  return bind_method(how, model.settings, model.tokenizer.get(), latents, model.method_weights, options);
}

void require_tokenizer(const LoadedModel& model) {
  if (model.tokenizer != nullptr) return;
  load_tokenizer(model.directory);
  fail("open_model", "expected a model with its tokenizer but got none, though there is one in ",
       model.directory.string());
}

std::vector<int64_t> encode_question(const LoadedModel& model, const std::string& id, const std::string& text,
                                     std::string_view operation) {
  std::vector<int64_t> tokens;
  try {
    tokens = model.tokenizer->encode(text);
  } catch (const Error& error) {
    fail(operation, "expected example '", id, "' in words of the checkpoint's tokenizer but got: ", error.what(),
         model.settings.style.empty() ? "" : "; the checkpoint was trained on style " + model.settings.style);
  }
  require(!tokens.empty(), operation, "expected example '", id, "' to ask something but its question is empty");
  return tokens;
}

std::string model_name(const std::filesystem::path& directory) {
  const std::filesystem::path normal = std::filesystem::absolute(directory).lexically_normal();
  return (normal.has_filename() ? normal : normal.parent_path()).filename().string();
}

std::string hash_weights(const std::filesystem::path& directory) {
  const std::filesystem::path single = directory / "model.safetensors";
  if (exists(single)) return sha256_hex(MappedFile::open(single, "hash_weights")->bytes());
  require(is_directory(directory), "hash_weights", "expected a checkpoint's directory but got ", directory.string());
  std::vector<std::filesystem::path> shards;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".safetensors") shards.push_back(entry.path());
  }
  require(!shards.empty(), "hash_weights", "expected safetensors files but got none in ", directory.string());
  std::sort(shards.begin(), shards.end());
  std::string lines;
  for (const auto& shard : shards) {
    lines += sha256_hex(MappedFile::open(shard, "hash_weights")->bytes()) + "  " + shard.filename().string() + "\n";
  }
  return sha256_hex(lines);
}

}  // namespace tacit
