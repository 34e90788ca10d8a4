#include "eval/probe/human_categories.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <set>

#include "lib/core/error.h"
#include "lib/core/files.h"

namespace tacit::probe {
namespace {

std::string trimmed(std::string_view text) {
  const char* space = " \t\r\n";
  const size_t begin = text.find_first_not_of(space);
  if (begin == text.npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(space) + 1 - begin));
}

// The fields of one line; empty where a quote does not close.
std::optional<std::vector<std::string>> split_csv(std::string_view line) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      out.back() += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  if (quoted) return {};
  for (std::string& field : out) field = trimmed(field);
  return out;
}

struct Columns {
  size_t item, category, typicality, subset, count;
};

Columns columns_of(const std::vector<std::string>& header, const std::string& source) {
  const auto find = [&](const char* name) {
    return static_cast<size_t>(std::ranges::find(header, name) - header.begin());
  };
  const Columns out{find("item"), find("category"), find("typicality"), find("subdataset"), header.size()};
  require(out.item < out.count && out.category < out.count, "read_categories",
          "expected a header with the columns 'item' and 'category' in ", source);
  return out;
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
  std::optional<Columns> columns;
  std::vector<CategoryItem> out;
  std::set<std::string> subsets;
  for_each_line(path, "read_categories", [&](std::string_view text, int64_t line) {
    if (trimmed(text).empty()) return;
    if (!columns && text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // byte order mark
    const std::string source = path.string() + ":" + std::to_string(line);
    const auto fields = split_csv(text);
    require(fields.has_value(), "read_categories", "expected every quote to close on its line in ", source);
    if (!columns) {
      columns = columns_of(*fields, source);
      return;
    }
    require(fields->size() == columns->count, "read_categories", "expected ", columns->count, " fields but got ",
            fields->size(), " in ", source);
    CategoryItem item{fields->at(columns->item), fields->at(columns->category), {}, ""};
    require(!item.item.empty() && !item.category.empty(), "read_categories", "expected an item and its category in ",
            source);
    if (columns->typicality < columns->count) item.typicality = number(fields->at(columns->typicality), source);
    if (columns->subset < columns->count) item.subset = fields->at(columns->subset);
    subsets.insert(item.subset);
    if (subset.empty() || item.subset == subset) out.push_back(std::move(item));
  });
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
