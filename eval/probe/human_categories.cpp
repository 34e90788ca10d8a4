#include "eval/probe/human_categories.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <set>

#include "datasets/records.h"
#include "lib/core/error.h"

namespace tacit::probe {
namespace {

std::string trimmed(std::string_view text) {
  const char* space = " \t\r\n";
  const size_t begin = text.find_first_not_of(space);
  if (begin == text.npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(space) + 1 - begin));
}

// "" where there is no such column.
std::string field(const Json& row, const char* name) {
  const auto found = row.find(name);
  return found == row.end() ? "" : trimmed(found->get<std::string>());
}

std::optional<double> number(const std::string& text, const std::string& source) {
  if (text.empty()) return {};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc() && end == text.data() + text.size() && std::isfinite(value), "read_categories",
          "expected a number as 'typicality' but got '", text, "' in ", source);
  return value;
}

std::string small_letters(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::vector<CategoryItem> read_categories(const std::filesystem::path& path, const std::string& subset) {
  std::vector<CategoryItem> out;
  std::set<std::string> subsets;
  for (const FileRecord& row : read_records(path, {.format = RecordFormat::csv}, "read_categories")) {
    require(row.value.contains("item") && row.value.contains("category"), "read_categories",
            "expected a header with the columns 'item' and 'category' in ", path.string());
    CategoryItem item{field(row.value, "item"), field(row.value, "category"),
                      number(field(row.value, "typicality"), row.place), field(row.value, "subdataset")};
    require(!item.item.empty() && !item.category.empty(), "read_categories", "expected an item and its category in ",
            row.place);
    subsets.insert(item.subset);
    if (subset.empty() || item.subset == subset) out.push_back(std::move(item));
  }
  std::string known;
  for (const std::string& name : subsets) known += (known.empty() ? "" : ", ") + name;
  require(!out.empty(), "read_categories", "expected items in ", path.string(),
          subset.empty() ? "" : " of the subset '" + subset + "'; it has: " + known);
  return out;
}

std::optional<WordVector> word_vector(const Transformer& model, const Tokenizer& tokenizer, const std::string& word) {
  const at::NoGradGuard no_grad;
  std::vector<int64_t> best;
  for (const std::string& spelling : {word, small_letters(word), " " + word, " " + small_letters(word)}) {
    try {
      const std::vector<int64_t> ids = tokenizer.encode(spelling);
      if (ids.empty() || *std::ranges::max_element(ids) >= model.config().vocab_size) continue;
      if (trimmed(tokenizer.decode(ids)) != trimmed(spelling)) continue;  // an unknown word's token stands there
      if (best.empty() || ids.size() < best.size()) best = ids;
    } catch (const Error&) {
      continue;  // a vocabulary of words that does not have it
    }
  }
  if (best.empty()) return {};
  const at::Tensor ids_N = at::tensor(best, at::kLong).to(model.device());
  return WordVector{model.embed(ids_N).to(at::kCPU, at::kDouble).mean(0), std::ssize(best)};
}

}  // namespace tacit::probe
