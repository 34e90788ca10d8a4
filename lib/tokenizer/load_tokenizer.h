#pragma once

namespace tacit {

// The operation that errors about a tokenizer's files name.
inline constexpr const char* kLoadTokenizer = "load_tokenizer";

}  // namespace tacit
