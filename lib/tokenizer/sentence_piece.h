#pragma once

#include <filesystem>
#include <memory>

#include "lib/tokenizer/tokenizer.h"

namespace tacit {

// tokenizer.model of SentencePiece: ids of SentencePieceProcessor.encode, text of SentencePieceProcessor.decode.
std::shared_ptr<const Tokenizer> load_sentence_piece(const std::filesystem::path& path);

}  // namespace tacit
