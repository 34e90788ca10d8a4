#include "lib/model/llama2c.h"

#include <cstring>

#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/model/checkpoint.h"
#include "lib/model/slots.h"

namespace tacit {
namespace {

constexpr std::string_view kConvert = "convert";
constexpr int64_t kHeaderBytes = 7 * 4;

template <class Value>
Value read_at(std::span<const std::byte> bytes, int64_t offset) {
  Value value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

struct Header {
  int64_t dim, hidden_dim, layers, heads, kv_heads, vocab, positions;
  bool tied;
  int64_t head_size() const { return dim / heads; }
};

Header read_header(const MappedFile& file) {
  const auto bytes = file.bytes();
  const std::string source = file.path().string();
  require(static_cast<int64_t>(bytes.size()) >= kHeaderBytes, kConvert, "expected a llama2.c header of ", kHeaderBytes,
          " bytes but the file ends at byte ", bytes.size(), " in ", source);
  auto field = [&](int64_t index, const char* name, int64_t high) {
    const int64_t value = read_at<int32_t>(bytes, 4 * index);
    const int64_t size = index == 5 ? std::abs(value) : value;  // a negative vocab_size means a classifier of its own
    require(size >= 1 && size <= high, kConvert, "expected ", name, " of 1 to ", high, " at byte ", 4 * index,
            " but got ", value, " in ", source);
    return value;
  };
  Header h{};
  h.dim = field(0, "dim", 1 << 20);
  h.hidden_dim = field(1, "hidden_dim", 1 << 22);
  h.layers = field(2, "n_layers", 4096);
  h.heads = field(3, "n_heads", 1 << 16);
  h.kv_heads = field(4, "n_kv_heads", 1 << 16);
  const int64_t vocab = field(5, "vocab_size", 1 << 24);
  h.vocab = std::abs(vocab);
  h.tied = vocab > 0;
  h.positions = field(6, "seq_len", 1 << 24);
  require(h.dim % (2 * h.heads) == 0, kConvert, "expected n_heads (byte 12) to divide dim ", h.dim,
          " into heads of even size but got ", h.heads, " in ", source);
  require(h.heads % h.kv_heads == 0, kConvert, "expected n_kv_heads (byte 16) to divide n_heads ", h.heads, " but got ",
          h.kv_heads, " in ", source);
  return h;
}

struct FilePart {
  std::string name;
  std::vector<int64_t> shape;
};

std::vector<FilePart> file_parts(const Header& h) {
  const int64_t kv_dim = h.kv_heads * h.head_size(), half = h.head_size() / 2;
  std::vector<FilePart> parts = {{"token_embedding", {h.vocab, h.dim}},
                                 {"rms_att", {h.layers, h.dim}},
                                 {"wq", {h.layers, h.dim, h.dim}},
                                 {"wk", {h.layers, kv_dim, h.dim}},
                                 {"wv", {h.layers, kv_dim, h.dim}},
                                 {"wo", {h.layers, h.dim, h.dim}},
                                 {"rms_ffn", {h.layers, h.dim}},
                                 {"w1", {h.layers, h.hidden_dim, h.dim}},
                                 {"w2", {h.layers, h.dim, h.hidden_dim}},
                                 {"w3", {h.layers, h.hidden_dim, h.dim}},
                                 {"rms_final", {h.dim}},
                                 {"freq_cis_real", {h.positions, half}},
                                 {"freq_cis_imag", {h.positions, half}}};
  if (!h.tied) parts.push_back({"wcls", {h.vocab, h.dim}});
  return parts;
}

std::map<std::string, at::Tensor> read_parts(const std::shared_ptr<const MappedFile>& file, const Header& h) {
  const int64_t size = static_cast<int64_t>(file->bytes().size());
  const std::string source = file->path().string();
  std::map<std::string, at::Tensor> tensors;
  int64_t offset = kHeaderBytes;
  for (const FilePart& part : file_parts(h)) {
    // The header's bounds keep this product below 2^63 only in floating point; no file is that large.
    double wanted = 4;
    for (int64_t n : part.shape) wanted *= static_cast<double>(n);
    require(wanted <= static_cast<double>(size - offset), kConvert, "expected ", part.name, " ", shape_text(part.shape),
            " at byte ", offset, " but the file ends at byte ", size, " in ", source);
    const auto bytes = file->bytes().subspan(offset, static_cast<size_t>(wanted));
    tensors[part.name] = map_tensor({ElementType::F32, part.shape, bytes, file});
    offset += static_cast<int64_t>(bytes.size());
  }
  require(offset == size, kConvert, "expected the file to end at byte ", offset, " but got ", size - offset,
          " bytes more in ", source);
  return tensors;
}

// Rows of a projection from neighbouring pairs to halves: row 2i of a head goes to i, row 2i + 1 to E/2 + i.
at::Tensor pairs_to_halves(const at::Tensor& rows_ID, int64_t head_size) {
  const int64_t inputs = rows_ID.size(1);
  return rows_ID.view({-1, head_size / 2, 2, inputs}).transpose(1, 2).reshape({-1, inputs});
}

std::map<std::string, at::Tensor> weights_of(const std::map<std::string, at::Tensor>& parts, const Header& h) {
  std::map<std::string, at::Tensor> weights = {{slots::embedding, parts.at("token_embedding")},
                                               {slots::final_norm("weight"), parts.at("rms_final")}};
  if (!h.tied) weights[slots::unembedding] = parts.at("wcls");
  for (int64_t layer = 0; layer < h.layers; ++layer) {
    auto part = [&](const std::string& name) { return parts.at(name).select(0, layer); };
    auto slot = [&](const std::string& name) -> at::Tensor& {
      return weights[slots::in_layer(layer, name + ".weight")];
    };
    slot("attention_norm") = part("rms_att");
    slot("query") = pairs_to_halves(part("wq"), h.head_size());
    slot("key") = pairs_to_halves(part("wk"), h.head_size());
    slot("value") = part("wv");
    slot("out") = part("wo");
    slot("mlp_norm") = part("rms_ffn");
    slot("gate") = part("w1");
    slot("down") = part("w2");
    slot("up") = part("w3");
  }
  return weights;
}

Json config_of(const Header& h) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"vocab_size", h.vocab},
          {"hidden_size", h.dim},
          {"intermediate_size", h.hidden_dim},
          {"num_hidden_layers", h.layers},
          {"num_attention_heads", h.heads},
          {"num_key_value_heads", h.kv_heads},
          {"max_position_embeddings", h.positions},
          {"hidden_act", "silu"},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 10000.0},
          {"tie_word_embeddings", h.tied},
          {"bos_token_id", 1},
          {"eos_token_id", 2},
          {"torch_dtype", "float32"}};
}

}  // namespace

void convert_llama2c(const Llama2cOptions& options) {
  for (const auto& file : checkpoint_files_in(options.out))
    fail(kConvert, "expected a folder without a checkpoint to write to but got ", file.string());
  const auto file = MappedFile::open(options.checkpoint, kConvert);
  const Header header = read_header(*file);
  const auto parts = read_parts(file, header);
  const Json config = config_of(header);
  const Transformer model(model_config_from_json(config, options.checkpoint.string()), weights_of(parts, header));
  std::string tokenizer;
  if (!options.tokenizer.empty()) tokenizer = llama2c_tokenizer_model(options.tokenizer, header.vocab);
  std::filesystem::create_directories(options.out);
  if (!tokenizer.empty()) write_file_atomic(options.out / "tokenizer.model", tokenizer, kConvert);
  save_model(options.out, model, config);  // config.json comes last: until then the folder is no checkpoint
}

}  // namespace tacit
