#include "apps/render.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "lib/core/error.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

constexpr const char* kGraph = "5 12 | 5 7 | 12 3 | 7 9 | 9 22 | 1 31 | [Q] 22 31 [R] 5";

GraphQuestion asked_graph() { return parse_graph_question(kGraph, "test"); }

// The first thought holds both successors of the root, the second is sure of one, the third sees both candidates.
ThoughtGrid three_thoughts() {
  ThoughtGrid grid;
  grid.thoughts = {{{"12", 0.5}, {"7", 0.45}, {"1", 0.01}}, {{"9", 1.0}, {"3", 0.001}}, {{"22", 0.75}, {"31", 0.25}}};
  return grid;
}

int64_t widest(const Lines& lines) {
  int64_t width = 0;
  for (const std::string& line : lines) width = std::max(width, display_width(line));
  return width;
}

bool any_ansi(const Lines& lines) {
  return std::any_of(lines.begin(), lines.end(),
                     [](const std::string& line) { return line.find('\x1b') != std::string::npos; });
}

std::string all(const Lines& lines) { return join_words(lines, "\n"); }

std::string error_of(const std::string& text) {
  try {
    parse_graph_question(text, "test");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a bar is as long as its share, to an eighth of a column") {
  CHECK(bar(0, 10) == "");
  CHECK(bar(1, 4) == "████");
  CHECK(bar(0.5, 4) == "██");
  CHECK(bar(0.5, 3) == "█▌");
  CHECK(bar(0.125, 1) == "▏");
  CHECK(bar(2, 2) == "██");
  CHECK(bar(-1, 2) == "");
  for (int64_t columns = 1; columns <= 12; ++columns) {
    int64_t before = 0;
    for (int step = 0; step <= 100; ++step) {
      const int64_t width = display_width(bar(step / 100.0, columns));
      CHECK(width >= before);
      CHECK(width <= columns);
      before = width;
    }
    CHECK(before == columns);
  }
}

TEST_CASE("the grid of a small problem is drawn cell by cell") {
  const Lines lines = thought_bars(with_truth(three_thoughts(), asked_graph()), {.width = 44});
  const Lines expected = {
      "thought  1           2           3",
      "12      •███     50",
      "7       •██▊     45",
      "9                   •██████ 100",
      "3                   •",
      "22 ✓                            •████▌   75",
      "31 ✗                             █▌      25",
      "on •             95         100          75",
      "in percent, a full bar is 100; • marks the",
      "nodes this many steps from the root",
  };
  CHECK(all(lines) == all(expected));
}

TEST_CASE("a full bar is the largest share, below one half and above, and the legend says so") {
  for (const auto& [most, half] : {std::pair(20, 10), std::pair(52, 26)}) {
    ThoughtGrid grid;
    grid.thoughts = {{{"a", most / 100.0}, {"b", half / 100.0}}};
    const Lines expected = {"thought  1", "a        ██████████  " + std::to_string(most),
                            "b        █████       " + std::to_string(half),
                            "in percent, a full bar is " + std::to_string(most)};
    CHECK(all(thought_bars(grid, {.width = 40})) == all(expected));
  }
}

TEST_CASE("a grid is drawn on another scale than its own where that is asked for") {
  ThoughtGrid grid;
  grid.thoughts = {{{"a", 0.2}, {"b", 0.1}}};
  CHECK(full_bar(grid) == 0.2);
  const Lines expected = {"thought  1", "a        █████       20", "b        ██▌         10",
                          "in percent, a full bar is 40"};
  CHECK(all(thought_bars(grid, {.width = 40}, {.full = 0.4})) == all(expected));
  grid.thoughts = {{{"a", 0.02}}};
  CHECK(full_bar(grid) == 0.05);
}

TEST_CASE("thoughts that hold all explored nodes are marked at all of them") {
  ThoughtGrid grid = three_thoughts();
  grid.explored = true;
  grid = with_truth(grid, asked_graph());
  CHECK(grid.frontiers == std::vector<std::vector<std::string>>{
                              {"5", "12", "7"}, {"5", "12", "7", "3", "9"}, {"5", "12", "7", "3", "9", "22"}});
  CHECK(holds(all(thought_bars(grid, {})), "within this many steps"));
}

TEST_CASE("without a known problem the rows are the words that reach 3 %, in the order in which they light up") {
  const Lines lines = thought_bars(three_thoughts(), {.width = 44});
  const Lines expected = {
      "thought  1           2           3",
      "12       ███     50",
      "7        ██▊     45",
      "9                    ██████ 100",
      "22                               ████▌   75",
      "31                               █▌      25",
      "in percent, a full bar is 100",
  };
  CHECK(all(lines) == all(expected));
}

TEST_CASE("no picture is wider than asked, and thoughts that do not fit go into further panels") {
  ThoughtGrid grid = three_thoughts();
  grid.thoughts.insert(grid.thoughts.end(), grid.thoughts.begin(), grid.thoughts.end());
  grid.thoughts.insert(grid.thoughts.end(), grid.thoughts.begin(), grid.thoughts.end());
  const GraphQuestion problem = asked_graph();
  for (int64_t width = 20; width <= 160; width += 7) {
    for (const bool colour : {false, true}) {
      CAPTURE(width);
      const RenderOptions options{.width = width, .colour = colour};
      const Lines bars = thought_bars(with_truth(grid, problem), options);
      CHECK(widest(bars) <= width);
      CHECK(widest(graph_picture(problem, options)) <= width);
      CHECK(widest(word_chain({"12", "3", "31"}, &problem, options)) <= width);
      CHECK(widest(side_by_side(bars, bars, width / 2, options)) <= width);
      for (int k = 1; k <= 12; ++k) CHECK(all(bars).find(std::to_string(k)) != std::string::npos);
    }
  }
}

TEST_CASE("ANSI codes appear only when colour is asked for, and change nothing else") {
  const GraphQuestion problem = asked_graph();
  const auto draw = [&](bool colour) {
    const RenderOptions options{.width = 70, .colour = colour};
    Lines lines = graph_picture(problem, options);
    for (const Lines& more :
         {thought_bars(with_truth(three_thoughts(), problem), options), word_chain({"12", "9"}, &problem, options),
          word_chain({"12", ";", "3", "1", ";"}, &problem, options)}) {
      lines.insert(lines.end(), more.begin(), more.end());
    }
    return lines;
  };
  const Lines plain = draw(false), coloured = draw(true);
  CHECK(!any_ansi(plain));
  CHECK(any_ansi(coloured));
  REQUIRE(plain.size() == coloured.size());
  for (size_t i = 0; i < plain.size(); ++i) CHECK(display_width(plain[i]) == display_width(coloured[i]));
}

TEST_CASE("a grid of many rows leaves out the dimmest and says how many") {
  ThoughtGrid grid;
  grid.thoughts = {{{"a", 0.4}, {"b", 0.3}, {"c", 0.2}, {"d", 0.1}}};
  const std::string text = all(thought_bars(grid, {.width = 40}, {.max_rows = 2}));
  CHECK(text.find("\na ") != std::string::npos);
  CHECK(text.find("\nb ") != std::string::npos);
  CHECK(text.find("\nc ") == std::string::npos);
  CHECK(text.find("and 2 more nodes") != std::string::npos);
}

TEST_CASE("a written path says which ways it left and where it left the graph") {
  const GraphQuestion problem = asked_graph();
  const Lines expected = {"5    root", "12   takes this, leaves 7", "3    the only way", "31 ✗ no edge 3 → 31",
                          "[P]  not a node"};
  CHECK(word_chain({"12", "3", "31", "[P]"}, &problem, {}) == expected);
}

TEST_CASE("a path that never ends is cut") {
  const GraphQuestion problem = asked_graph();
  const Lines lines = word_chain(std::vector<std::string>(64, "12"), &problem, {});
  CHECK(lines.size() == 16);
  CHECK(lines.back() == "and 50 more words");
}

TEST_CASE("a written frontier is compared level by level with the true one") {
  const GraphQuestion problem = asked_graph();
  const Lines expected = {"0:  5", "1:  12 7", "2:  3 1?  lacks 9"};
  CHECK(word_chain({"12", "7", ";", "3", "1", ";"}, &problem, {}) == expected);
}

TEST_CASE("the graph is drawn as adjacency lists by distance from the root") {
  const Lines expected = {
      "Which can be reached from 5: 22 or 31?   (8 nodes, 6 edges)",
      "root      5 → 12 7",
      "1 step    12 → 3   7 → 9",
      "2 steps   3   9 → 22 ✓",
      "3 steps   22 ✓",
      "no path   1 → 31 ✗   31 ✗",
  };
  CHECK(graph_picture(asked_graph(), {}) == expected);
}

TEST_CASE("two columns stand beside each other, one above the other where the width is short") {
  CHECK(side_by_side({"a", "b"}, {"x"}, 3, {.width = 40}) == Lines{"a   │ x", "b   │"});
  CHECK(side_by_side({"a"}, {"x"}, 3, {.width = 10}) == Lines{"a", "", "x"});
}

TEST_CASE("text is wrapped between words, and a word wider than a line goes on in the next") {
  CHECK(wrap_whole("5 12 | 5 7 |  12 3", 8) == Lines{"5 12 | 5", "7 | 12 3"});
  CHECK(wrap_whole("a bcdefghijk l", 4) == Lines{"a", "bcde", "fghi", "jk l"});
  CHECK(wrap_whole("", 4) == Lines{});
}

TEST_CASE("clipping counts characters and ends colours") {
  CHECK(clip("→→→→", 3) == "→→…");
  CHECK(clip("abc", 3) == "abc");
  CHECK(clip("\x1b[31mabcdef\x1b[0m", 3) == "\x1b[31mab…\x1b[0m");
  CHECK(pad("→", 3) == "→  ");
}

TEST_CASE("a question is read, its answer found, and written back in the model's format") {
  const GraphQuestion problem = parse_graph_question(" 5 12 |  12 3 | 1 31 [Q] 3 31 [R] 5 ", "test");
  CHECK(problem.text() == "5 12 | 12 3 | 1 31 | [Q] 3 31 [R] 5");
  CHECK(problem.words[problem.answer()] == "3");
  CHECK(problem.distance[problem.node("3")] == 2);
  CHECK(problem.distance[problem.node("1")] == -1);
  CHECK(parse_graph_question("5 12 | 5 7 | [Q] 12 7 [R] 5", "test").answer() == -1);  // both
}

TEST_CASE("a question of another shape: the error says what is missing") {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"hello", "one '[Q]' but got 0"},
      {"[Q] 1 2 [R] 3", "got no edges"},
      {"1 2 | [Q] 1 2", "one '[R]' but got 0"},
      {"1 2 | [R] 3 [Q] 1 2", "'[Q]' before '[R]'"},
      {"1 2 3 | [Q] 1 2 [R] 3", "two nodes in edge 1 but got '1 2 3'"},
      {"1 2 | 4 | [Q] 1 2 [R] 3", "two nodes in edge 2 but got '4'"},
      {"1 2 | | [Q] 1 2 [R] 3", "two nodes in edge 2 but got ''"},
      {"1 2 | [Q] 1 [R] 3", "two candidates between '[Q]' and '[R]' but got 1"},
      {"1 2 | [Q] 1 1 [R] 3", "two different candidates but got '1' twice"},
      {"1 2 | [Q] 1 2 [R]", "one root after '[R]' but got 0"},
      {"1 2 | [Q] 1 2 [R] 3 4", "one root after '[R]' but got 2"},
  };
  for (const auto& [text, expected] : table) {
    CAPTURE(text);
    CHECK(error_of(text).find(expected) != std::string::npos);
  }
  for (const char* word : {"32", "x", "-1", "07", "[A]"}) {
    const GraphQuestion problem = parse_graph_question(std::string("1 2 | 2 ") + word + " | [Q] 1 2 [R] 3", "test");
    CHECK_THROWS_WITH_AS(
        require_labels(problem, 32, "test"),
        (std::string("[test] expected a node of the vocabulary, 0 to 31, but got '") + word + "'").c_str(), Error);
  }
}
