#include "lib/tokenizer/normalizer.h"

#include "lib/tokenizer/load_tokenizer.h"
#include "lib/tokenizer/nfc.h"

namespace tacit {

Normalizer::Normalizer(const JsonReader& file, const std::string& source) {
  if (file.has("normalizer")) add(file.object("normalizer"), source);
}

void Normalizer::add(const JsonReader& section, const std::string& source) {
  const std::string type = section.string("type");
  if (type == "NFC") {
    steps_.push_back({.kind = Step::Kind::nfc});
  } else if (type == "Prepend") {
    steps_.push_back({.kind = Step::Kind::prepend, .to = section.string("prepend")});
  } else if (type == "Replace") {
    const JsonReader pattern = section.object("pattern");
    Step step{.kind = Step::Kind::replace, .from = pattern.string("String"), .to = section.string("content")};
    if (step.from.empty()) pattern.reject("String", "to have a character");
    steps_.push_back(std::move(step));
  } else if (type == "Sequence") {
    if (!section.has("normalizers") || !section.json()["normalizers"].is_array())
      section.reject("normalizers", "to be a list");
    const Json& entries = section.json()["normalizers"];
    for (size_t i = 0; i < entries.size(); ++i)
      add(JsonReader(entries[i], kLoadTokenizer, source, section.path("normalizers[" + std::to_string(i) + "]")),
          source);
  } else {
    section.reject("type", "to be NFC, Prepend, Replace or a Sequence of them");
  }
}

std::string_view Normalizer::apply(std::string_view text, std::string& buffer) const {
  for (const Step& step : steps_) {
    if (step.kind == Step::Kind::nfc)
      buffer = nfc(text);
    else if (step.kind == Step::Kind::replace)
      buffer = replaced(text, step.from, step.to);
    else if (!text.empty())
      buffer = step.to + std::string(text);
    else
      continue;
    text = buffer;
  }
  return text;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  result.reserve(text.size());
  size_t done = 0;
  for (size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, done)) {
    result.append(text.substr(done, at - done)).append(to);
    done = at + from.size();
  }
  return result.append(text.substr(done));
}

}  // namespace tacit
