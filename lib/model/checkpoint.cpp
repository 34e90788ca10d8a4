#include "lib/model/checkpoint.h"

#include "lib/core/error.h"
#include "lib/kernels/cuda_backend.h"
#include "lib/model/family.h"
#include "lib/model/fused_model.h"
#include "lib/model/int8_model.h"
#include "lib/model/slots.h"

namespace tacit {

at::ScalarType scalar_type(ElementType type) {
  switch (type) {
    case ElementType::F64: return at::kDouble;
    case ElementType::F32: return at::kFloat;
    case ElementType::F16: return at::kHalf;
    case ElementType::BF16: return at::kBFloat16;
    case ElementType::I64: return at::kLong;
    case ElementType::I32: return at::kInt;
    case ElementType::I16: return at::kShort;
    case ElementType::I8: return at::kChar;
    case ElementType::U8: return at::kByte;
    case ElementType::BOOL: return at::kBool;
    case ElementType::F8_E4M3: return at::kFloat8_e4m3fn;
    case ElementType::F8_E5M2: return at::kFloat8_e5m2;
  }
  fail("scalar_type", "expected a known element type but got ", static_cast<int>(type));
}

ElementType element_type(at::ScalarType type) {
  for (ElementType e : {ElementType::F64, ElementType::F32, ElementType::F16, ElementType::BF16, ElementType::I64,
                        ElementType::I32, ElementType::I16, ElementType::I8, ElementType::U8, ElementType::BOOL,
                        ElementType::F8_E4M3, ElementType::F8_E5M2}) {
    if (scalar_type(e) == type) return e;
  }
  fail("element_type", "expected a dtype that safetensors can hold but got ", at::toString(type));
}

at::Tensor map_tensor(const TensorView& view) {
  // from_blob takes a mutable pointer; the map is read-only and nothing here writes through it.
  void* data = const_cast<std::byte*>(view.bytes.data());
  return at::from_blob(
      data, view.shape, [file = view.file](void*) {}, at::TensorOptions().dtype(scalar_type(view.type)));
}

namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < 8; ++i) text += (i ? ", '" : "'") + names[i] + "'";
  if (names.size() > 8) text += " and " + std::to_string(names.size() - 8) + " more";
  return text;
}

// Of an entry's slots, one after the other.
std::vector<int64_t> joined_shape(const FileTensor& entry, const std::map<std::string, std::vector<int64_t>>& shapes) {
  std::vector<int64_t> shape = shapes.at(entry.slots[0]);
  for (size_t i = 1; i < entry.slots.size(); ++i) shape[0] += shapes.at(entry.slots[i])[0];
  if (entry.transposed) std::swap(shape[0], shape[1]);
  return shape;
}

// Views of the file's tensor, except where its slots lie in it in turn: those are copied out.
void put_slots(const at::Tensor& tensor, const FileTensor& entry,
               const std::map<std::string, std::vector<int64_t>>& shapes, std::map<std::string, at::Tensor>& weights) {
  if (entry.groups > 1) {
    const int64_t slots = static_cast<int64_t>(entry.slots.size());
    const at::Tensor by_group = tensor.unflatten(0, {entry.groups, slots, -1});
    for (int64_t i = 0; i < slots; ++i) weights[entry.slots[i]] = by_group.select(1, i).flatten(0, 1).contiguous();
    return;
  }
  int64_t row = 0;
  for (const std::string& slot : entry.slots) {
    const int64_t rows = shapes.at(slot)[0];
    weights[slot] = tensor.narrow(0, row, rows);
    row += rows;
  }
}

std::map<std::string, std::vector<int64_t>> slot_shapes(const ModelConfig& config) {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const WeightSlot& slot : weight_slots(config)) shapes[slot.name] = slot.shape;
  return shapes;
}

// The file's tensors by the family's name, an optional prefix removed.
std::map<std::string, const TensorView*> by_family_name(const Safetensors& file, const Family& f) {
  std::map<std::string, const TensorView*> out;
  for (const auto& [name, view] : file.tensors) {
    std::string plain = name;
    for (const std::string& prefix : f.optional_prefixes) {
      if (plain.starts_with(prefix)) plain = plain.substr(prefix.size());
    }
    out[plain] = &view;
  }
  return out;
}

void check_names(const std::map<std::string, const TensorView*>& found, const std::vector<FileTensor>& expected,
                 const ModelConfig& config, const Family& f, const std::string& source) {
  std::vector<std::string> missing, unexpected;
  std::map<std::string, bool> known;
  for (const FileTensor& entry : expected) {
    known[entry.name] = true;
    if (!found.contains(entry.name)) missing.push_back(entry.name);
  }
  for (const auto& [name, view] : found) {
    if (!known.contains(name) && !f.ignorable(config, name)) unexpected.push_back(name);
  }
  require(missing.empty() && unexpected.empty(), "load_checkpoint", "expected the tensors of a ", f.name,
          " model but got ", missing.size(), " missing", missing.empty() ? "" : " (" + listed(missing) + ")", " and ",
          unexpected.size(), " unexpected", unexpected.empty() ? "" : " (" + listed(unexpected) + ")", " in ", source);
}

}  // namespace

std::shared_ptr<const Transformer> load_model(const std::filesystem::path& directory, const LoadOptions& options) {
  require(options.dtype == at::kFloat || options.dtype == at::kBFloat16 || options.dtype == at::kHalf,
          "load_checkpoint", "expected dtype fp32, bf16 or fp16 but got ", at::toString(options.dtype));
  if (options.device.is_cuda() && !enable_cuda())  // asked of nobody else: it loads LibTorch's half for CUDA
    fail("load_checkpoint", "expected a CUDA device for ", directory.string(), " but ", why_no_cuda());
  const ModelConfig config = read_model_config(directory);
  const Family& f = family(config.family);
  const Safetensors file = read_safetensors_directory(directory);
  const auto found = by_family_name(file, f);
  const auto expected = f.files(config);
  check_names(found, expected, config, f, directory.string());
  const auto shapes = slot_shapes(config);
  std::map<std::string, at::Tensor> weights;
  for (const FileTensor& entry : expected) {
    const TensorView& view = *found.at(entry.name);
    const auto joined = joined_shape(entry, shapes);
    const auto& want = entry.file_shape.empty() ? joined : entry.file_shape;
    require(view.shape == want, "load_checkpoint", "expected '", entry.name, "' of shape ", shape_text(want),
            " but got ", shape_text(view.shape), " in ", view.file->path().string());
    require(at::isFloatingType(scalar_type(view.type)) && element_bytes(view.type) > 1, "load_checkpoint", "expected '",
            entry.name, "' as F64, F32, BF16 or F16 but got ", element_name(view.type), " in ",
            view.file->path().string());
    const bool wide = slots::kept_in_fp32(entry.slots[0]);
    at::Tensor tensor = map_tensor(view).to(options.device, wide ? at::kFloat : options.dtype).view(joined);
    if (entry.transposed) tensor = tensor.t();
    put_slots(tensor, entry, shapes, weights);
  }
  auto model = std::make_shared<const Transformer>(config, std::move(weights));
  if (options.weights == WeightFormat::scalar) return model;
  const std::string_view reason = why_not_fused(*model);
  require(reason.empty(), "load_checkpoint", "expected a model whose steps can read weights in int8 but ", reason, ": ",
          directory.string());
  return int8_model(*model);
}

void save_model(const std::filesystem::path& directory, const Transformer& model, const Json& config) {
  const Family& f = family(model.config().family);
  std::map<std::string, at::Tensor> keep;
  std::map<std::string, TensorToWrite> out;
  for (const FileTensor& entry : f.files(model.config())) {
    std::vector<at::Tensor> parts;
    for (const std::string& slot : entry.slots) parts.push_back(model.weights().at(slot).detach());
    at::Tensor tensor = parts.size() == 1 ? parts[0] : at::cat(parts, 0);
    if (entry.groups > 1) {
      for (at::Tensor& part : parts) part = part.unflatten(0, {entry.groups, -1});
      tensor = at::stack(parts, 1).flatten(0, 2);
    }
    if (entry.transposed) tensor = tensor.t();
    tensor = tensor.to(at::kCPU).contiguous();
    if (!entry.file_shape.empty()) tensor = tensor.view(entry.file_shape);
    keep[entry.name] = tensor;
    out[entry.name] = {element_type(tensor.scalar_type()),
                       tensor.sizes().vec(),
                       {static_cast<const std::byte*>(tensor.const_data_ptr()), static_cast<size_t>(tensor.nbytes())}};
  }
  std::filesystem::create_directories(directory);
  write_safetensors(directory / "model.safetensors", out, {{"format", "pt"}});
  write_file_atomic(directory / "config.json", config.dump(2) + "\n", "save_checkpoint");
}

static std::filesystem::path method_file(const std::filesystem::path& directory) {
  return directory / "method.safetensors";
}

void save_method_weights(const std::filesystem::path& directory, const std::map<std::string, at::Tensor>& weights) {
  std::map<std::string, at::Tensor> keep;
  std::map<std::string, TensorToWrite> out;
  for (const auto& [name, weight] : weights) {
    require(weight.scalar_type() == at::kFloat, "save_checkpoint", "expected the method's weight '", name,
            "' in fp32 but got ", at::toString(weight.scalar_type()));
    const at::Tensor tensor = weight.detach().to(at::kCPU).contiguous();
    keep[name] = tensor;
    out[name] = {ElementType::F32,
                 tensor.sizes().vec(),
                 {static_cast<const std::byte*>(tensor.const_data_ptr()), static_cast<size_t>(tensor.nbytes())}};
  }
  write_safetensors(method_file(directory), out, {{"format", "pt"}});
}

std::map<std::string, at::Tensor> load_method_weights(const std::filesystem::path& directory, at::Device device) {
  std::map<std::string, at::Tensor> weights;
  const auto path = method_file(directory);
  if (!std::filesystem::exists(path)) return weights;
  for (const auto& [name, view] : read_safetensors(path).tensors) {
    require(view.type == ElementType::F32, "load_checkpoint", "expected '", name, "' as F32 but got ",
            element_name(view.type), " in ", path.string());
    weights[name] = map_tensor(view).to(device, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  }
  return weights;
}

std::vector<std::filesystem::path> checkpoint_files_in(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::is_directory(directory)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::filesystem::path& path = entry.path();
    if (path.filename() == "config.json" || path.stem() == "tokenizer" || path.extension() == ".safetensors")
      files.push_back(path);
  }
  return files;
}

std::shared_ptr<const Transformer> make_model(const ModelConfig& config, uint64_t seed, bool matched_attention) {
  return std::make_shared<const Transformer>(config, random_weights(config, seed, matched_attention));
}

}  // namespace tacit
