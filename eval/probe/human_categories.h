#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lib/model/transformer.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit::probe {

// A word that people put into a category, and how typical of it they found it.
struct CategoryItem {
  std::string item, category;
  std::optional<double> typicality;
  std::string subset;  // the study that it is from, "" = not said
};

// CSV with a header that names at least `item` and `category`, perhaps `typicality` and `subdataset`, in any order;
// other columns are passed over. This is how Shani et al. [arXiv:2505.17117] lay out the ratings of Rosch 1973, Rosch
// 1975 and McCloskey & Glucksberg 1978. Read as datasets/records.h reads CSV; a row holds a number or nothing as its
// typicality. Larger is taken to mean more typical: of a study that rated the other way the
// correlation has the other sign. `subset`: rows of that study only, "" = all. Fails naming file and line.
std::vector<CategoryItem> read_categories(const std::filesystem::path& path, const std::string& subset = "");

// The input embedding of a word as the model reads it, the mean over its tokens where it has several, of the spelling
// that takes the fewest tokens among the word as it stands, in small letters, and either behind a space.
struct WordVector {
  at::Tensor vector_D;  // fp64 on the host
  int64_t tokens = 0;
};
// Empty where the tokenizer cannot write the word: it refuses it or gives another text back.
std::optional<WordVector> word_vector(const Transformer& model, const Tokenizer& tokenizer, const std::string& word);

}  // namespace tacit::probe
