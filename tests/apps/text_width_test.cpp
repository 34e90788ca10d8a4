#include <doctest/doctest.h>
#include <wchar.h>

#include <clocale>

#include "apps/character_width.h"
#include "apps/line_reader.h"
#include "apps/render_table.h"

using namespace tacit;

TEST_CASE("characters are as wide as the C library says, where both know them") {
  if (std::setlocale(LC_CTYPE, "C.UTF-8") == nullptr) {
    MESSAGE("TACIT-SKIP: no locale C.UTF-8");
    return;
  }
  int64_t known = 0, differ = 0;
  for (char32_t c = 0x20; c < 0x20000; ++c) {
    const int width = ::wcwidth(static_cast<wchar_t>(c));
    if (width < 0) continue;
    ++known;
    differ += character_width(c) != width;
  }
  std::setlocale(LC_CTYPE, "C");
  CAPTURE(differ);
  CHECK(known > 60'000);
  CHECK(differ < known / 200);  // other versions of Unicode, and characters on which they disagree
  for (const char32_t c : U"a→█ü…✓") CHECK(character_width(c) == (c == 0 ? 0 : 1));
  for (const char32_t c : {U'漢', U'か', U'한', U'😀', U'Ａ'}) CHECK(character_width(c) == 2);
  for (const char32_t c : {U'\u0301', U'\u200B', U'\uFE0F', U'\n', U'\x1b'}) CHECK(character_width(c) == 0);
}

TEST_CASE("texts are measured, cut and padded by columns, not by characters") {
  CHECK(display_width("漢字") == 4);
  CHECK(display_width("e\u0301") == 1);
  CHECK(display_width("\x1b[31m漢\x1b[0m") == 2);
  CHECK(clip("漢字漢字", 5) == "漢字…");
  CHECK(clip("漢字漢字", 4) == "漢…");
  CHECK(clip("漢字", 4) == "漢字");
  CHECK(clip("e\u0301e\u0301e\u0301", 2) == "e\u0301…");
  CHECK(pad("漢", 4) == "漢  ");
  CHECK(display_width(std::string("a\xff\xe6\xbc", 4)) == 4);  // bytes that begin no character take a column each
}

TEST_CASE("a table's columns are as wide as their widest cell; the last takes what is left") {
  const std::vector<TableColumn> columns = {{"name"}, {"ms", true}, {"said"}};
  const std::vector<std::vector<std::string>> rows = {{"a", "12.5", "one two three four"}, {"漢字", "3.0", "x"}};
  CHECK(table_lines(columns, rows, {.width = 40}) ==
        Lines{"name    ms  said", "a     12.5  one two three four", "漢字   3.0  x"});
  CHECK(table_lines(columns, rows, {.width = 25})[1] == "a     12.5  one two thre…");
  CHECK(table_lines(columns, rows, {.width = 20}) ==
        Lines{"name    ms", "a     12.5", "  one two three four", "漢字   3.0", "  x"});
  CHECK(table_lines(columns, rows, {.width = 9}) == Lines{"name", "a", "  ms 12.…", "漢字", "  ms 3.0…"});
  CHECK(table_lines(columns, rows, {.width = 24}, {.wrap = true}) ==
        Lines{"name    ms  said", "a     12.5  one two", "            three four", "漢字   3.0  x"});
}

TEST_CASE("what is pasted is one line, unless commands or comments stand in it") {
  using List = std::vector<std::string>;
  CHECK(pasted_lines("a\r\nb\rc\n\n") == List{"a\nb\nc"});
  CHECK(pasted_lines("a\n") == List{"a"});
  CHECK(pasted_lines("/new 7\n/again\n") == List{"/new 7", "/again"});
  CHECK(pasted_lines("# first\nx") == List{"# first", "x"});
  CHECK(pasted_lines("") == List{});
}

TEST_CASE("several choices share no lone backslash: it would take the space behind it for its own") {
  using List = std::vector<std::string>;
  CHECK(common_prefix(List{"my\\ dir/", "my\\ file.json"}) == "my\\ ");
  CHECK(common_prefix(List{"my\\ dir/", "my\\'s.json"}) == "my");
  CHECK(common_prefix(List{"my\\\\a", "my\\\\b"}) == "my\\\\");
  CHECK(common_prefix(List{"\\"}) == "\\");
  CHECK(common_prefix(List{"\\ a", "\\'b"}) == "");
}

TEST_CASE("a line's rows above the cursor: full rows, line ends, wide characters and tabs") {
  struct Case {
    std::string text;
    int64_t columns, rows;
  };
  const std::vector<Case> table = {
      {"", 10, 0},           {"123456789", 10, 0},   {"1234567890", 10, 1},    {"12345678901", 10, 1},
      {"a\nb", 10, 1},       {"a\nb\nc", 10, 2},     {"a\n", 10, 1},           {"1234567890123\nb", 10, 2},
      {"漢字漢字漢", 10, 1}, {"1漢字漢字漢", 10, 1}, {"1漢字漢字漢", 3, 4},    {"1\t2", 8, 1},
      {"1\t2", 10, 0},       {"12345678\x01", 9, 1}, {"e\u0301e\u0301", 2, 1}, {std::string(25, 'x'), 12, 2},
  };
  for (const Case& c : table) {
    CAPTURE(c.text);
    CAPTURE(c.columns);
    CHECK(rows_above_cursor(c.text, c.columns) == c.rows);
  }
}
