#include "lib/train/training_state.h"

#include <ATen/core/grad_mode.h>
#include <charconv>

#include "lib/core/error.h"
#include "lib/model/checkpoint.h"

namespace tacit {
namespace {

int64_t whole_number(const std::string& text, const std::string& name, int64_t low, int64_t high,
                     const std::filesystem::path& path) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  require(whole && value >= low && value <= high, "resume", "expected '", name, "' of ", low, " to ", high,
          " but got '", text, "' in the metadata of ", path.string());
  return value;
}

std::string metadata_of(const Safetensors& file, const std::string& name, const std::filesystem::path& path) {
  const auto found = file.metadata.find(name);
  require(found != file.metadata.end(), "resume", "expected '", name, "' in the metadata of ", path.string());
  return found->second;
}

// Of a recipe that says how many there are.
int64_t steps_of(const Json& recipe) {
  const auto steps = recipe.find("steps");
  return steps != recipe.end() && steps->is_number_integer() ? steps->get<int64_t>()
                                                             : std::numeric_limits<int64_t>::max();
}

std::string value_at(const Json& json, const Json::json_pointer& field) {
  return json.contains(field) ? json.at(field).dump() : "nothing";
}

// Leaves what a training must repeat. Of the options those that it runs with, chosen or not, where the state says them:
// a default may change. What states of before are silent on is not compared.
void keep_essence(Json& saved, Json& given) {
  for (Json* recipe : {&saved, &given}) recipe->erase("steps");
  if (saved.contains("options_with_defaults")) {
    for (Json* recipe : {&saved, &given}) recipe->erase("options");
  } else if (const auto all = given.find("options_with_defaults"); all != given.end()) {
    if (saved.contains("options")) given["options"] = *all;  // all of them, once one is chosen
    given.erase("options_with_defaults");
  }
  for (const char* since : {"validation_data_sha256", "tokenizer_sha256"}) {
    if (!saved.contains(since)) given.erase(since);
  }
}

// -> updates done
int64_t check_recipe(const Safetensors& file, const std::filesystem::path& path, const std::string& recipe) {
  Json saved = parse_json(metadata_of(file, "recipe", path), "resume", path.string());
  Json given = parse_json(recipe, "resume", "the command");
  const int64_t saved_steps = steps_of(saved), steps = steps_of(given);
  const int64_t step = whole_number(metadata_of(file, "step", path), "step", 1, saved_steps, path);
  require(step <= steps, "resume", "expected at least the ", step, " steps that are done but got ", steps, " for ",
          path.string());
  keep_essence(saved, given);
  const std::string difference = recipe_difference(saved.dump(), given.dump());
  require(difference.empty(), "resume", "expected ", difference, " in the recipe that ", path.string(),
          " was started with");
  return step;
}

}  // namespace

std::string recipe_difference(const std::string& expected, const std::string& found) {
  if (expected == found) return "";
  const Json a = parse_json(expected, "resume", "the recipe"), b = parse_json(found, "resume", "the command");
  const Json difference = Json::diff(a, b);
  if (difference.empty()) return "";
  const Json::json_pointer field(difference[0].at("path").get<std::string>());
  std::string name;
  for (Json::json_pointer at = field; !at.empty(); at = at.parent_pointer())
    name = at.back() + (name.empty() ? "" : "." + name);
  return "'" + name + "' of " + value_at(a, field) + " but got " + value_at(b, field);
}

void require_same_recipe(const std::filesystem::path& path, const std::string& recipe) {
  check_recipe(read_safetensors(path), path, recipe);
}

void save_training_state(const std::filesystem::path& path, const TrainingState& state, int64_t step,
                         const std::string& recipe) {
  TensorMap keep;
  auto collect = [&](const std::string& prefix, const TensorMap& tensors) {
    for (const auto& [name, tensor] : tensors) keep[prefix + name] = tensor.detach().to(at::kCPU).contiguous();
  };
  collect("weight/", state.leaves);
  collect("first_moment/", state.optimizer.first_moments());
  collect("second_moment/", state.optimizer.second_moments());
  collect("average/", state.average.averages());
  collect("best/", state.selection.best());
  std::map<std::string, TensorToWrite> out;
  for (const auto& [name, tensor] : keep) {
    out[name] = {element_type(tensor.scalar_type()),
                 tensor.sizes().vec(),
                 {static_cast<const std::byte*>(tensor.const_data_ptr()), static_cast<size_t>(tensor.nbytes())}};
  }
  std::map<std::string, std::string> metadata = {
      {"step", std::to_string(step)}, {"updates", std::to_string(state.optimizer.updates())}, {"recipe", recipe}};
  if (!state.fixed_hash.empty()) metadata["fixed_weights"] = state.fixed_hash;
  if (state.selection.on()) metadata["selection"] = state.selection.text();
  write_safetensors(path, out, metadata);
}

int64_t load_training_state(const std::filesystem::path& path, const TrainingState& state, const std::string& recipe) {
  const Safetensors file = read_safetensors(path);
  const int64_t step = check_recipe(file, path, recipe);
  const int64_t updates = whole_number(metadata_of(file, "updates", path), "updates", 0, step, path);
  if (!state.fixed_hash.empty()) {
    require(metadata_of(file, "fixed_weights", path) == state.fixed_hash, "resume",
            "expected the weights that the training in ", path.string(), " was begun beside but they have changed");
  }
  const at::NoGradGuard no_grad;
  auto read = [&](const std::string& prefix) {
    TensorMap out;
    for (const auto& [name, leaf] : state.leaves) {
      const auto found = file.tensors.find(prefix + name);
      require(found != file.tensors.end() && leaf.sizes() == at::IntArrayRef(found->second.shape), "resume",
              "expected '", prefix + name, "' of shape ", shape_text(leaf.sizes()), " in ", path.string());
      out[name] = map_tensor(found->second);
    }
    return out;
  };
  for (const auto& [name, tensor] : file.tensors) {
    const std::string prefix = "weight/";
    require(!name.starts_with(prefix) || state.leaves.contains(name.substr(prefix.size())), "resume",
            "expected a training with '", name.substr(std::min(prefix.size(), name.size())),
            "', as it has been, but it is left out now (", path.string(), ")");
  }
  const TensorMap weights = read("weight/"), first = read("first_moment/"), second = read("second_moment/");
  const TensorMap averages = state.average.on() ? read("average/") : TensorMap();
  if (state.selection.on()) {
    state.selection.restore(metadata_of(file, "selection", path), {});
    if (state.selection.step() > 0) {
      TensorMap best = read("best/");
      for (auto& [name, tensor] : best) tensor = tensor.to(state.leaves.at(name).options(), false, /*copy=*/true);
      state.selection.restore(metadata_of(file, "selection", path), std::move(best));
    }
  }
  for (const auto& [name, average] : state.average.averages()) average.copy_(averages.at(name));
  for (const auto& [name, leaf] : state.leaves) leaf.copy_(weights.at(name));
  state.optimizer.restore(first, second, updates);
  return step;
}

}  // namespace tacit
