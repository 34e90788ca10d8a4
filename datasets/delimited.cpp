#include "datasets/delimited.h"

#include <algorithm>
#include <utility>

#include "lib/core/error.h"

namespace tacit {

DelimitedReader::DelimitedReader(std::string_view text, bool quoted, std::string operation, std::string source)
    : text_(text),
      quoted_(quoted),
      separator_(quoted ? ',' : '\t'),
      operation_(std::move(operation)),
      source_(std::move(source)) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
}

std::string DelimitedReader::here() const { return "line " + std::to_string(line_) + " of " + source_; }

bool DelimitedReader::at_line_end() const {
  return at_ == text_.size() || text_[at_] == '\n' || text_.substr(at_).starts_with("\r\n");
}

void DelimitedReader::skip_line_end() {
  if (at_ == text_.size()) return;
  at_ += text_[at_] == '\r' ? 2 : 1;
  ++line_;
}

std::optional<DelimitedRow> DelimitedReader::next() {
  while (at_ < text_.size() && at_line_end()) skip_line_end();
  if (at_ == text_.size()) return {};
  DelimitedRow row{.fields = {}, .line = line_};
  for (;;) {
    const bool quote = quoted_ && at_ < text_.size() && text_[at_] == '"';
    row.fields.push_back(quote ? quoted_field() : plain_field());
    if (at_line_end()) break;
    ++at_;  // the separator
  }
  skip_line_end();
  return row;
}

std::string DelimitedReader::quoted_field() {
  const std::string begin = here();
  std::string field;
  for (++at_; at_ < text_.size(); ++at_) {
    if (text_[at_] != '"') {
      line_ += text_[at_] == '\n';
      field += text_[at_];
      continue;
    }
    const bool doubled = at_ + 1 < text_.size() && text_[at_ + 1] == '"';
    if (doubled) {
      field += text_[++at_];
      continue;
    }
    ++at_;
    require(at_line_end() || text_[at_] == separator_, operation_,
            "expected a comma or the line's end behind a closing quote but got '", text_.substr(at_, 1), "' in ",
            here());
    return field;
  }
  fail(operation_, "expected a closing quote for the field that begins in ", begin, " but got the end of the file");
}

std::string DelimitedReader::plain_field() {
  const size_t begin = at_;
  while (!at_line_end() && text_[at_] != separator_) {
    require(!quoted_ || text_[at_] != '"', operation_,
            "expected a field with a quote in it to stand in quotes, the quote doubled, but got \"",
            text_.substr(begin, at_ + 1 - begin), " in ", here());
    ++at_;
  }
  return std::string(text_.substr(begin, at_ - begin));
}

}  // namespace tacit
