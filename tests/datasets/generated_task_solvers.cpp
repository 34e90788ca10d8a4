#include "tests/datasets/generated_task_solvers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <sstream>

namespace tacit::test {

std::vector<std::string> split(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

namespace {

std::string solve_pointer(const std::string& question) {
  const std::vector<std::string> words = split(question);
  const int64_t hops = std::ranges::count(words, ">");
  std::map<std::string, std::string> next;
  for (size_t i = hops; words[i] != "[R]"; i += 3) next[words[i]] = words[i + 1];
  std::string at = words.back();
  for (int64_t i = 0; i < hops; ++i) at = next.at(at);
  return at;
}

// By rounds over all statements, until nothing new is known: order does not matter.
std::string solve_chain(const std::string& question, int64_t modulus) {
  std::vector<std::vector<std::string>> statements(1);
  for (const std::string& word : split(question)) {
    if (word == ";") {
      statements.emplace_back();
    } else {
      statements.back().push_back(word);
    }
  }
  std::map<std::string, int64_t> known;
  for (bool found = true; found;) {
    found = false;
    for (size_t i = 0; i + 1 < statements.size(); ++i) {
      const auto& s = statements[i];
      if (known.contains(s[0]) || (s.size() == 5 && !known.contains(s[2]))) continue;
      int64_t value = std::stoll(s.back());
      if (s.size() == 5 && s[3] == "+") value = known[s[2]] + value;
      if (s.size() == 5 && s[3] == "-") value = known[s[2]] - value;
      if (s.size() == 5 && s[3] == "*") value = known[s[2]] * value;
      known[s[0]] = ((value % modulus) + modulus) % modulus;
      found = true;
    }
  }
  return std::to_string(known.at(statements.back().at(0)));
}

// With a stack, as a reader would.
std::string solve_listops(const std::string& question) {
  std::vector<std::pair<std::string, std::vector<int64_t>>> open = {{"", {}}};
  for (const std::string& word : split(question)) {
    if (word[0] == '[') {
      open.push_back({word, {}});
    } else if (word != "]") {
      open.back().second.push_back(std::stoll(word));
    } else {
      auto [op, values] = open.back();
      open.pop_back();
      std::sort(values.begin(), values.end());
      int64_t value = 0;
      if (op == "[MAX") value = values.back();
      if (op == "[MIN") value = values.front();
      if (op == "[SM") {
        for (const int64_t v : values) value = (value + v) % 10;
      }
      if (op == "[MED") value = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
      open.back().second.push_back(value);
    }
  }
  return std::to_string(open.front().second.at(0));
}

std::string solve_walk(const std::string& question) {
  const std::vector<std::string> words = split(question);
  if (words.back() == "[Q]") {
    const size_t bar = std::ranges::find(words, "|") - words.begin();
    const std::vector<std::string> ring(words.begin(), words.begin() + static_cast<int64_t>(bar));
    auto at = static_cast<int64_t>(std::ranges::find(ring, words[bar + 2]) - ring.begin());
    const auto size = static_cast<int64_t>(bar);
    for (size_t i = bar + 3; i + 1 < words.size(); ++i) {
      at = ((at + (words[i] == ">" ? 1 : words[i] == "<" ? -1 : 0)) % size + size) % size;
    }
    return ring[at];
  }
  std::vector<std::string> found;
  for (size_t i = 0; words[i + 2] != "[Q]"; ++i) {
    if (words[i] == words[words.size() - 2] && words[i + 1] == words.back()) found.push_back(words[i + 2]);
  }
  // The pair may stand at the very end of the walk as well; nothing follows it there.
  REQUIRE(found.size() == 1);
  return found[0];
}

// Bellman-Ford: relaxes every cell until nothing changes.
std::string solve_maze(const std::string& question) {
  std::vector<std::string> rows(1);
  for (const std::string& word : split(question)) {
    if (word == "|") {
      rows.emplace_back();
    } else {
      rows.back() += word;
    }
  }
  rows.pop_back();
  const int64_t size = std::ssize(rows), far = size * size;
  std::vector<std::vector<int64_t>> moves(size, std::vector<int64_t>(size, far));
  int64_t goal_row = -1, goal_column = -1;
  for (int64_t r = 0; r < size; ++r) {
    REQUIRE(std::ssize(rows[r]) == size);
    for (int64_t c = 0; c < size; ++c) {
      if (rows[r][c] == 'S') moves[r][c] = 0;
      if (rows[r][c] == 'G') goal_row = r, goal_column = c;
    }
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (int64_t r = 0; r < size; ++r) {
      for (int64_t c = 0; c < size; ++c) {
        if (rows[r][c] == '#') continue;
        for (const auto& [dr, dc] : std::array<std::pair<int, int>, 4>{{{1, 0}, {-1, 0}, {0, 1}, {0, -1}}}) {
          if (r + dr < 0 || r + dr >= size || c + dc < 0 || c + dc >= size) continue;
          if (moves[r + dr][c + dc] + 1 >= moves[r][c]) continue;
          moves[r][c] = moves[r + dr][c + dc] + 1;
          changed = true;
        }
      }
    }
  }
  REQUIRE(moves[goal_row][goal_column] < far);
  return std::to_string(moves[goal_row][goal_column] % 10);
}

}  // namespace

std::string solve(const Variant& variant, const Example& example) {
  if (variant.task == "pointer") return solve_pointer(example.question);
  if (variant.task == "chain") return solve_chain(example.question, option(variant, "modulus", int64_t{10}));
  if (variant.task == "listops") return solve_listops(example.question);
  if (variant.task == "walks") return solve_walk(example.question);
  return solve_maze(example.question);
}

}  // namespace tacit::test
