#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/core/safetensors.h"
#include "lib/model/transformer.h"

namespace tacit {

struct LoadOptions {
  at::ScalarType dtype = at::kFloat;  // kFloat, kBFloat16 or kHalf; a file already of this dtype is mapped, not copied
  at::Device device = at::kCPU;
  WeightFormat weights = WeightFormat::scalar;  // int8: int8_model() of what is read
};

// Reads a Hugging Face directory: config.json first, then the weights. Fails naming every tensor that is missing or
// unexpected, and tensor, expected and found shape on a mismatch.
std::shared_ptr<const Transformer> load_model(const std::filesystem::path& directory, const LoadOptions& options = {});

// Writes config.json (`config`, usually model.config().raw) and model.safetensors, each atomically, in the family's own
// names.
void save_model(const std::filesystem::path& directory, const Transformer& model, const Json& config);

// Weights that a method has beside its model, by name, in fp32: method.safetensors, written atomically. Loading makes a
// copy that may be trained; without such a file there are none. Fails on tensors of another type, naming the file.
void save_method_weights(const std::filesystem::path& directory, const std::map<std::string, at::Tensor>& weights);
std::map<std::string, at::Tensor> load_method_weights(const std::filesystem::path& directory,
                                                      at::Device device = at::kCPU);

// The files of a checkpoint in `directory`: config.json, tokenizer.*, *.safetensors (a method's own too). What is
// written beside them would make a mixture of two. None where there is no such folder.
std::vector<std::filesystem::path> checkpoint_files_in(const std::filesystem::path& directory);

// A fresh model of this config with random weights.
std::shared_ptr<const Transformer> make_model(const ModelConfig& config, uint64_t seed, bool matched_attention = false);

// Tensor <-> file bytes.
at::ScalarType scalar_type(ElementType type);
ElementType element_type(at::ScalarType type);
at::Tensor map_tensor(const TensorView& view);  // shares the map

}  // namespace tacit
