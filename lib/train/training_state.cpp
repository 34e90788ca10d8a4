#include "lib/train/training_state.h"

#include <ATen/core/grad_mode.h>
#include <charconv>

#include "lib/core/error.h"
#include "lib/model/checkpoint.h"

namespace tacit {

void save_training_state(const std::filesystem::path& path, const AdamW& optimizer, int64_t step,
                         const std::string& recipe) {
  std::map<std::string, at::Tensor> keep;
  auto collect = [&](const std::string& prefix, const std::map<std::string, at::Tensor>& tensors) {
    for (const auto& [name, tensor] : tensors) keep[prefix + name] = tensor.detach().to(at::kCPU).contiguous();
  };
  collect("weight/", optimizer.weights());
  collect("first_moment/", optimizer.first_moments());
  collect("second_moment/", optimizer.second_moments());
  std::map<std::string, TensorToWrite> out;
  for (const auto& [name, tensor] : keep) {
    out[name] = {element_type(tensor.scalar_type()),
                 tensor.sizes().vec(),
                 {static_cast<const std::byte*>(tensor.const_data_ptr()), static_cast<size_t>(tensor.nbytes())}};
  }
  write_safetensors(
      path, out,
      {{"step", std::to_string(step)}, {"updates", std::to_string(optimizer.updates())}, {"recipe", recipe}});
}

static void check_recipe(const std::string& saved, const std::string& recipe, const std::filesystem::path& path) {
  if (saved == recipe) return;
  const Json a = parse_json(saved, "resume", path.string()), b = parse_json(recipe, "resume", "the command");
  const Json difference = Json::diff(a, b);
  const std::string field = difference.empty() ? "" : difference[0].value("path", "");
  fail("resume", "expected the recipe that ", path.string(), " was started with but '", field, "' differs");
}

static int64_t whole_number(const std::string& text, const std::string& name, int64_t low, int64_t high,
                            const std::filesystem::path& path) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  require(whole && value >= low && value <= high, "resume", "expected '", name, "' of ", low, " to ", high,
          " but got '", text, "' in the metadata of ", path.string());
  return value;
}

int64_t load_training_state(const std::filesystem::path& path, AdamW& optimizer, const std::string& recipe,
                            int64_t steps) {
  const Safetensors file = read_safetensors(path);
  auto meta = [&](const std::string& name) {
    const auto found = file.metadata.find(name);
    require(found != file.metadata.end(), "resume", "expected '", name, "' in the metadata of ", path.string());
    return found->second;
  };
  check_recipe(meta("recipe"), recipe, path);
  const int64_t step = whole_number(meta("step"), "step", 1, steps, path);
  const int64_t updates = whole_number(meta("updates"), "updates", 0, step, path);
  const at::NoGradGuard no_grad;
  auto get = [&](const std::string& name, const at::Tensor& like) {
    const auto found = file.tensors.find(name);
    require(found != file.tensors.end() && like.sizes() == at::IntArrayRef(found->second.shape), "resume", "expected '",
            name, "' of shape ", shape_text(like.sizes()), " in ", path.string());
    return map_tensor(found->second);
  };
  std::map<std::string, at::Tensor> first, second;
  for (const auto& [name, weight] : optimizer.weights()) {
    first[name] = get("first_moment/" + name, weight);
    second[name] = get("second_moment/" + name, weight);
  }
  for (const auto& [name, weight] : optimizer.weights()) at::Tensor(weight).copy_(get("weight/" + name, weight));
  optimizer.restore(first, second, updates);
  return step;
}

}  // namespace tacit
