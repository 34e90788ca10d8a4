#include "lib/model/config.h"

#include "lib/core/error.h"
#include "lib/model/family.h"

namespace tacit {

ModelConfig model_config_from_json(const Json& json, const std::string& source) {
  require(json.is_object(), "read_config", "expected a JSON object but got ", json.type_name(), " in ", source);
  const JsonReader in(json, "read_config", source);
  if (in.has("quantization_config")) {
    in.reject("quantization_config", "to be absent (this build runs fp32, bf16 and fp16 weights)");
  }
  const Family& f = family(in.string("model_type"));
  ModelConfig config = f.read_config(in);
  config.family = f.name;
  config.raw = json;
  return config;
}

ModelConfig read_model_config(const std::filesystem::path& directory_or_file) {
  const auto file =
      std::filesystem::is_directory(directory_or_file) ? directory_or_file / "config.json" : directory_or_file;
  return model_config_from_json(read_json(file, "read_config"), file.string());
}

}  // namespace tacit
