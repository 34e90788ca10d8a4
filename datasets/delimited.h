#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tacit {

struct DelimitedRow {
  std::vector<std::string> fields;
  int64_t line = 0;  // on which it begins, from 1
};

// Rows of a table as text. With quotes (RFC 4180): fields are separated by commas, and one in double quotes may hold
// commas, line breaks and, doubled, quotes. Without: by tabs, and a quote is a character like any other. Lines end with
// LF or CRLF, the last may have no end; a byte-order mark at the beginning and empty lines are skipped.
class DelimitedReader {
 public:
  // `text` must outlive the reader; `operation` and `source` stand in errors.
  DelimitedReader(std::string_view text, bool quoted, std::string operation, std::string source);

  // Empty at the end. Fails, naming the line, on a quote within an unquoted field, text behind a closing quote and a
  // quote that is never closed.
  std::optional<DelimitedRow> next();

 private:
  std::string quoted_field();
  std::string plain_field();
  bool at_line_end() const;
  void skip_line_end();
  std::string here() const;

  std::string_view text_;
  const bool quoted_;
  const char separator_;
  const std::string operation_, source_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

}  // namespace tacit
