#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/core/files.h"

namespace tacit {

// Element types of the safetensors format (https://github.com/huggingface/safetensors).
enum class ElementType { F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL, F8_E4M3, F8_E5M2 };
int64_t element_bytes(ElementType type);
std::string_view element_name(ElementType type);  // "F32"

// A tensor inside a mapped file. `file` keeps the map alive. The format allows `bytes` to start at any address, also
// one that is not a multiple of the element size.
struct TensorView {
  ElementType type;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;  // row-major, little-endian
  std::shared_ptr<const MappedFile> file;
};

struct Safetensors {
  std::map<std::string, TensorView> tensors;    // by name
  std::map<std::string, std::string> metadata;  // the header's __metadata__
};

// Maps and validates one file: header length at most 100 MB and inside the file, well-formed JSON of bounded depth,
// known dtypes, non-negative shapes whose product matches the byte range, ranges that tile the buffer without holes or
// overlap. Every error names the file, and the tensor or byte it is about.
Safetensors read_safetensors(const std::filesystem::path& path);

// A Hugging Face directory: model.safetensors, or the shards that model.safetensors.index.json lists. A tensor that the
// index does not list is kept; of one that stands in several shards the index's counts. Metadata of the first shard
// wins.
Safetensors read_safetensors_directory(const std::filesystem::path& directory);

struct TensorToWrite {
  ElementType type;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};

// Writes atomically (temporary file, fsync, rename). Header in name order, padded to 8 bytes; data by element size,
// largest first, then by name, so that every tensor is aligned to its elements.
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace tacit
