#pragma once

#include <string>
#include <string_view>

namespace tacit {

// Unicode normalisation form C, with the Unicode data that HF tokenizers uses. Invalid UTF-8 bytes are kept.
std::string nfc(std::string_view text);

}  // namespace tacit
