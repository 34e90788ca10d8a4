#include "lib/model/llama2c.h"

#include <cstring>
#include <string>

#include "lib/core/error.h"
#include "lib/core/files.h"

namespace tacit {
namespace {

constexpr std::string_view kConvertTokenizer = "convert";

// The few parts of the protobuf wire format that a SentencePiece model needs.
class ProtoWriter {
 public:
  void integer(int field, int64_t value) {
    varint(static_cast<uint64_t>(field) << 3);
    varint(static_cast<uint64_t>(value));
  }
  void number(int field, float value) {
    varint(static_cast<uint64_t>(field) << 3 | 5);
    char bytes[4];
    std::memcpy(bytes, &value, 4);
    out_.append(bytes, 4);
  }
  void text(int field, std::string_view value) {
    varint(static_cast<uint64_t>(field) << 3 | 2);
    varint(value.size());
    out_ += value;
  }
  const std::string& bytes() const { return out_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

enum PieceType { kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6 };  // sentencepiece_model.proto

bool is_byte_piece(std::string_view piece) {
  return piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with(">");
}

std::string piece_message(int64_t id, std::string_view text, float score) {
  // llama2.c's export wrote ' ' for '▁' and put line ends around the two control tokens.
  std::string piece;
  for (char c : text) piece += c == ' ' ? "\xE2\x96\x81" : std::string(1, c);
  PieceType type = is_byte_piece(text) ? kByte : kNormal;
  if (id == 0) piece = "<unk>", type = kUnknown;
  if (id == 1) piece = "<s>", type = kControl;
  if (id == 2) piece = "</s>", type = kControl;
  ProtoWriter message;
  message.text(1, piece);
  message.number(2, score);
  message.integer(3, type);
  return message.bytes();
}

std::string trainer_spec(int64_t vocab, bool byte_fallback) {
  ProtoWriter spec;
  spec.integer(3, 2);  // model_type BPE
  spec.integer(4, vocab);
  spec.integer(35, byte_fallback);
  spec.integer(40, 0);   // unk_id
  spec.integer(41, 1);   // bos_id
  spec.integer(42, 2);   // eos_id
  spec.integer(43, -1);  // pad_id
  return spec.bytes();
}

std::string normalizer_spec() {
  ProtoWriter spec;
  spec.text(1, "identity");
  spec.integer(3, 1);  // add_dummy_prefix
  spec.integer(4, 0);  // remove_extra_whitespaces
  spec.integer(5, 1);  // escape_whitespaces
  return spec.bytes();
}

}  // namespace

std::string llama2c_tokenizer_model(const std::filesystem::path& path, int64_t vocab) {
  const std::string file = read_file(path, kConvertTokenizer);
  const int64_t size = static_cast<int64_t>(file.size());
  int64_t at = 0;
  auto read = [&]<class Value>(Value, const char* what) {
    Value value{};
    require(at + static_cast<int64_t>(sizeof value) <= size, kConvertTokenizer, "expected ", what, " at byte ", at,
            " but the file ends at byte ", size, " in ", path.string());
    std::memcpy(&value, file.data() + at, sizeof value);
    at += sizeof value;
    return value;
  };
  const int32_t longest = read(int32_t{}, "the longest token's length");
  ProtoWriter model;
  int64_t byte_pieces = 0;
  for (int64_t id = 0; id < vocab; ++id) {
    const float score = read(float{}, "a token's score");
    const int64_t begin = at, length = read(int32_t{}, "a token's length");
    require(length >= 1 && length <= longest, kConvertTokenizer, "expected a length of 1 to ", longest, " for token ",
            id, " at byte ", begin, " but got ", length, " in ", path.string());
    require(at + length <= size, kConvertTokenizer, "expected ", length, " bytes of token ", id, " at byte ", at,
            " but the file ends at byte ", size, " in ", path.string());
    const std::string_view text = std::string_view(file).substr(at, length);
    at += length;
    byte_pieces += is_byte_piece(text);
    model.text(1, piece_message(id, text, score));
  }
  require(at == size, kConvertTokenizer, "expected ", vocab, " tokens, as many as the checkpoint has, but got ",
          size - at, " bytes more from byte ", at, " in ", path.string());
  // SentencePiece wants all 256 or none.
  require(byte_pieces == 0 || byte_pieces == 256, kConvertTokenizer,
          "expected 256 byte tokens (<0x00> to <0xFF>) or none but got ", byte_pieces, " in ", path.string());
  model.text(2, trainer_spec(vocab, byte_pieces == 256));
  model.text(3, normalizer_spec());
  return model.bytes();
}

}  // namespace tacit
