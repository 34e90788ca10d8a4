#pragma once

#include <span>
#include <string_view>

namespace tacit {

// Words of the English style, in the manner of ProsQA: invented kinds of things, and first names.
std::span<const std::string_view> concept_words();
std::span<const std::string_view> first_names();

}  // namespace tacit
