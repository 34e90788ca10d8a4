#pragma once

#include <filesystem>
#include <memory>

#include "lib/tokenizer/tokenizer.h"

namespace tacit {

// tokenizer.model of SentencePiece: ids of SentencePieceProcessor.encode, text of SentencePieceProcessor.decode. Tokens
// that files beside it add behind the model's pieces (older_files.h) are found in the text first, and what stands
// between them is encoded part by part, as HF does.
std::shared_ptr<const Tokenizer> load_sentence_piece(const std::filesystem::path& path);

}  // namespace tacit
