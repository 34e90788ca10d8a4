#include "apps/models.h"

#include <system_error>

#include "lib/core/error.h"

namespace tacit {

namespace fs = std::filesystem;

fs::path models_folder(const fs::path& given, std::string_view operation) {
  if (!given.empty()) {
    require(fs::is_directory(given), operation, "expected a folder of models but got ", given.string());
    return given;
  }
  std::error_code ignored;
  const fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  const fs::path installed = (folder / "../share/tacit/models").lexically_normal();
  const fs::path built = (folder / "../../../models").lexically_normal();
  for (const fs::path& path : {installed, built}) {
    if (fs::is_directory(path, ignored)) return path;
  }
  fail(operation, "expected the embedded models in ", installed.string(), " or ", built.string(),
       " but found neither; name their folder with --models");
}

fs::path embedded_model(const fs::path& models, std::string_view name, std::string_view operation) {
  const fs::path path = models / name;
  require(fs::exists(path / "config.json"), operation, "expected the model '", name, "' in ", models.string(),
          " but got no ", (path / "config.json").string());
  return path;
}

}  // namespace tacit
