#include "lib/core/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "lib/core/error.h"
#include "lib/core/json.h"

static_assert(std::endian::native == std::endian::little, "tensors are mapped as they stand in the file");

namespace tacit {
namespace {

constexpr std::string_view kRead = "read_safetensors";
constexpr int64_t kMaxHeader = 100'000'000;  // the format's own limit
constexpr int kMaxDepth = 3;                 // header, tensor, its shape
constexpr size_t kMaxListed = 5;             // names that one error shows

struct ElementInfo {
  ElementType type;
  std::string_view name;
  int64_t bytes;
};

constexpr std::array<ElementInfo, 12> kElements = {{{ElementType::F64, "F64", 8},
                                                    {ElementType::F32, "F32", 4},
                                                    {ElementType::F16, "F16", 2},
                                                    {ElementType::BF16, "BF16", 2},
                                                    {ElementType::I64, "I64", 8},
                                                    {ElementType::I32, "I32", 4},
                                                    {ElementType::I16, "I16", 2},
                                                    {ElementType::I8, "I8", 1},
                                                    {ElementType::U8, "U8", 1},
                                                    {ElementType::BOOL, "BOOL", 1},
                                                    {ElementType::F8_E4M3, "F8_E4M3", 1},
                                                    {ElementType::F8_E5M2, "F8_E5M2", 1}}};

const ElementInfo& info(ElementType type) {
  const auto found =
      std::find_if(kElements.begin(), kElements.end(), [&](const ElementInfo& e) { return e.type == type; });
  require(found != kElements.end(), "safetensors", "expected an element type but got number ", static_cast<int>(type));
  return *found;
}

// Bytes of a tensor, or nothing when a size is negative or the product does not fit.
std::optional<int64_t> tensor_bytes(ElementType type, const std::vector<int64_t>& shape) {
  int64_t bytes = element_bytes(type);
  bool empty = false;
  for (const int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (size == 0)
      empty = true;
    else if (bytes > std::numeric_limits<int64_t>::max() / size)
      return std::nullopt;
    else
      bytes *= size;
  }
  return empty ? 0 : bytes;
}

struct Range {
  int64_t begin, end;  // in the data behind the header
  std::string name;
};

// Reads one file's header against its size.
class HeaderReader {
 public:
  explicit HeaderReader(std::shared_ptr<const MappedFile> file)
      : file_(std::move(file)), source_(file_->path().string()) {
    size_ = static_cast<int64_t>(file_->bytes().size());
  }

  Safetensors read() {
    const Json header = parse_header();
    Safetensors result;
    std::vector<Range> ranges;
    for (const auto& entry : header.items()) {
      if (entry.key() == "__metadata__") {
        result.metadata = read_metadata(entry.value());
      } else {
        result.tensors.emplace(entry.key(), read_tensor(entry.key(), entry.value(), ranges));
      }
    }
    check_tiling(std::move(ranges));
    return result;
  }

 private:
  Json parse_header() {
    require(size_ >= 8, kRead, "expected 8 bytes of header length but got a file of ", size_, " bytes in ", source_);
    uint64_t length = 0;
    std::memcpy(&length, file_->bytes().data(), 8);
    require(length <= static_cast<uint64_t>(kMaxHeader), kRead, "expected a header of at most ", kMaxHeader,
            " bytes but byte 0 announces ", length, " in ", source_);
    data_start_ = 8 + static_cast<int64_t>(length);
    require(data_start_ <= size_, kRead, "expected the header to reach to byte ", data_start_, " but got a file of ",
            size_, " bytes in ", source_);
    const std::string_view text(reinterpret_cast<const char*>(file_->bytes().data()) + 8, length);
    require(text.starts_with('{'), kRead, "expected the header to start with '{' at byte 8 but got something else in ",
            source_);
    return parse_json_unique(text, kRead, "the header (from byte 8) of " + source_, kMaxDepth);
  }

  std::map<std::string, std::string> read_metadata(const Json& json) const {
    const JsonReader reader(json, std::string(kRead), source_, "__metadata__");
    std::map<std::string, std::string> metadata;
    for (const auto& entry : json.items()) metadata[entry.key()] = reader.string(entry.key());
    return metadata;
  }

  TensorView read_tensor(const std::string& name, const Json& json, std::vector<Range>& ranges) const {
    const JsonReader reader(json, std::string(kRead), source_, name);
    const std::string dtype = reader.string("dtype");
    const auto element =
        std::find_if(kElements.begin(), kElements.end(), [&](const ElementInfo& e) { return e.name == dtype; });
    if (element == kElements.end()) reader.reject("dtype", "to be a known element type");

    const std::vector<int64_t> shape = reader.integers("shape");
    const std::optional<int64_t> bytes = tensor_bytes(element->type, shape);
    if (!bytes) reader.reject("shape", "to have sizes of 0 or more with a product that fits 63 bits");

    const std::vector<int64_t> offsets = reader.integers("data_offsets");
    if (offsets.size() != 2 || offsets[0] < 0 || offsets[1] < offsets[0]) {
      reader.reject("data_offsets", "to be [begin, end] with 0 <= begin <= end");
    }
    require(offsets[1] <= size_ - data_start_, kRead, "expected '", name, "' to reach to byte ",
            static_cast<uint64_t>(data_start_) + static_cast<uint64_t>(offsets[1]), " but got a file of ", size_,
            " bytes in ", source_);
    require(offsets[1] - offsets[0] == *bytes, kRead, "expected ", *bytes, " bytes of '", name, "' (", dtype, ' ',
            shape_text(shape), ") but got ", offsets[1] - offsets[0], " in ", source_);
    ranges.push_back({offsets[0], offsets[1], name});
    const auto start = static_cast<size_t>(data_start_ + offsets[0]);
    return {element->type, shape, file_->bytes().subspan(start, static_cast<size_t>(*bytes)), file_};
  }

  void check_tiling(std::vector<Range> ranges) const {
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
      return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    int64_t end = 0;
    for (const Range& range : ranges) {
      require(range.begin == end, kRead, "expected '", range.name, "' to start at byte ", data_start_ + end,
              " but got byte ", data_start_ + range.begin, range.begin < end ? " (overlap)" : " (hole)", " in ",
              source_);
      end = range.end;
    }
    require(data_start_ + end == size_, kRead, "expected the last tensor to end with the file at byte ", size_,
            " but got byte ", data_start_ + end, " in ", source_);
  }

  std::shared_ptr<const MappedFile> file_;
  std::string source_;
  int64_t size_ = 0, data_start_ = 0;
};

std::string listed(const std::vector<std::string>& items) {
  std::string text;
  for (size_t i = 0; i < std::min(items.size(), kMaxListed); ++i) text += (i > 0 ? ", " : "") + items[i];
  if (items.size() > kMaxListed) text += " and " + std::to_string(items.size() - kMaxListed) + " more";
  return text;
}

// Which tensor is in which shard, as the index says; every shard is there.
std::map<std::string, std::string> read_index(const std::filesystem::path& index) {
  const Json json = read_json(index, kRead);
  const JsonReader map = JsonReader(json, std::string(kRead), index.string()).object("weight_map");
  std::map<std::string, std::string> shard_of;
  std::set<std::string> shards;
  for (const auto& entry : map.json().items()) {
    const std::string shard = map.string(entry.key());
    // An index from a stranger must not reach out of its directory.
    if (shard.empty() || shard == "." || shard == ".." ||
        shard.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
      map.reject(entry.key(), "to be the name of a file beside the index");
    }
    shard_of[entry.key()] = shard;
    shards.insert(shard);
  }
  require(!shard_of.empty(), kRead, "expected 'weight_map' to list tensors but got none in ", index.string());

  std::vector<std::string> missing;
  std::error_code ignored;
  for (const std::string& shard : shards) {
    if (!std::filesystem::exists(index.parent_path() / shard, ignored)) missing.push_back("'" + shard + "'");
  }
  require(missing.empty(), kRead, "expected every shard beside ", index.string(), " but got no ", listed(missing));
  return shard_of;
}

Safetensors read_shards(const std::filesystem::path& directory, const std::map<std::string, std::string>& shard_of) {
  std::map<std::string, Safetensors> shards;
  for (const auto& [name, shard] : shard_of) {
    if (!shards.contains(shard)) shards.emplace(shard, read_safetensors(directory / shard));
  }
  std::vector<std::string> lacking;
  Safetensors result;
  for (const auto& [name, shard] : shard_of) {
    const auto& tensors = shards.at(shard).tensors;
    const auto tensor = tensors.find(name);
    if (tensor == tensors.end())
      lacking.push_back("'" + name + "' in '" + shard + "'");
    else
      result.tensors.insert(*tensor);
  }
  require(lacking.empty(), kRead, "expected the shards to hold what the index promises but got no ", listed(lacking),
          " in ", directory.string());
  for (auto& [shard, content] : shards) {
    result.metadata.merge(content.metadata);
    for (auto& [name, tensor] : content.tensors) {
      if (shard_of.contains(name)) continue;
      require(result.tensors.emplace(name, tensor).second, kRead, "expected '", name,
              "', which the index does not list, in one shard but got it in several in ", directory.string());
    }
  }
  return result;
}

}  // namespace

int64_t element_bytes(ElementType type) { return info(type).bytes; }

std::string_view element_name(ElementType type) { return info(type).name; }

Safetensors read_safetensors(const std::filesystem::path& path) {
  return HeaderReader(MappedFile::open(path, kRead)).read();
}

Safetensors read_safetensors_directory(const std::filesystem::path& directory) {
  std::error_code ignored;
  require(std::filesystem::is_directory(directory, ignored), kRead, "expected a directory but got none at ",
          directory.string());
  const std::filesystem::path single = directory / "model.safetensors";
  const std::filesystem::path index = directory / "model.safetensors.index.json";
  if (std::filesystem::exists(single, ignored)) return read_safetensors(single);
  require(std::filesystem::exists(index, ignored), kRead,
          "expected model.safetensors or model.safetensors.index.json but got neither in ", directory.string());
  return read_shards(directory, read_index(index));
}

namespace {

// The header's text, padded, and the tensors in the order of their data.
std::string header_text(const std::filesystem::path& path,
                        const std::vector<std::pair<std::string, TensorToWrite>>& ordered,
                        const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();  // names in order
  int64_t offset = 0;
  for (const auto& [name, tensor] : ordered) {
    const int64_t end = offset + static_cast<int64_t>(tensor.bytes.size());
    header[name] = {{"dtype", element_name(tensor.type)}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception&) {
    fail("write_safetensors", "expected names and metadata in UTF-8 but got other bytes for ", path.string());
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  constexpr std::string_view operation = "write_safetensors";
  for (const auto& [name, tensor] : tensors) {
    require(name != "__metadata__", operation, "expected a tensor's name but got the reserved '__metadata__' for ",
            path.string());
    const std::optional<int64_t> bytes = tensor_bytes(tensor.type, tensor.shape);
    require(bytes.has_value(), operation, "expected '", name, "' to have a possible shape but got ",
            shape_text(tensor.shape), " for ", path.string());
    require(*bytes == static_cast<int64_t>(tensor.bytes.size()), operation, "expected ", *bytes, " bytes of '", name,
            "' (", element_name(tensor.type), ' ', shape_text(tensor.shape), ") but got ", tensor.bytes.size(), " for ",
            path.string());
  }
  std::vector<std::pair<std::string, TensorToWrite>> ordered(tensors.begin(), tensors.end());
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) {
    return element_bytes(a.second.type) > element_bytes(b.second.type);
  });
  const std::string header = header_text(path, ordered, metadata);
  require(static_cast<int64_t>(header.size()) <= kMaxHeader, operation, "expected a header of at most ", kMaxHeader,
          " bytes but got ", header.size(), " for ", path.string());
  write_file_atomic(
      path,
      [&](std::ostream& out) {
        const uint64_t length = header.size();
        out.write(reinterpret_cast<const char*>(&length), 8);
        out.write(header.data(), static_cast<std::streamsize>(header.size()));
        for (const auto& [name, tensor] : ordered) {
          out.write(reinterpret_cast<const char*>(tensor.bytes.data()),
                    static_cast<std::streamsize>(tensor.bytes.size()));
        }
      },
      operation);
}

}  // namespace tacit
