#include <algorithm>

#include "apps/counted.h"
#include "apps/render.h"

namespace tacit {
namespace {

std::vector<std::string> words_of(const GraphQuestion& question, const std::vector<int64_t>& nodes) {
  std::vector<std::string> words;
  for (const int64_t node : nodes) words.push_back(question.words[node]);
  return words;
}

// "3 ✓" for the reachable candidate, "22 ✗" for the other.
std::string marked(const GraphQuestion& question, int64_t node, bool colour) {
  const std::string& word = question.words[node];
  const bool candidate = node == question.candidates[0] || node == question.candidates[1];
  if (!candidate) return word;
  const bool reachable = question.distance[node] >= 0;
  return paint(word + (reachable ? " ✓" : " ✗"), reachable ? Tone::good : Tone::bad, colour);
}

Lines path_lines(const std::vector<std::string>& words, const GraphQuestion& question, bool colour) {
  Lines lines = {pad(question.words[question.root], 4) + " " + paint("root", Tone::dim, colour)};
  int64_t at = question.root;
  for (const std::string& word : words) {
    const int64_t node = question.node(word);
    if (node < 0) {
      lines.push_back(pad(word, 4) + " " + paint("not a node", Tone::bad, colour));
      continue;
    }
    std::string line = pad(marked(question, node, colour), 4) + " ";
    if (question.has_edge(at, node)) {
      std::vector<int64_t> left = question.successors(at);
      std::erase(left, node);
      line += left.empty() ? paint("the only way", Tone::dim, colour)
                           : "takes this, leaves " + join_words(words_of(question, left));
    } else {
      line += paint("no edge " + question.words[at] + " → " + word, Tone::bad, colour);
    }
    lines.push_back(std::move(line));
    at = node;
  }
  return lines;
}

// What a written level has and lacks, compared with the nodes at its distance.
std::string level_line(const std::vector<std::string>& words, int64_t level, const GraphQuestion& question,
                       bool colour) {
  const std::vector<std::string> truth = words_of(question, question.at_distance(level));
  std::vector<std::string> shown, missing;
  for (const std::string& word : words) {
    const bool right = std::count(truth.begin(), truth.end(), word) > 0;
    shown.push_back(right ? word : paint(word + "?", Tone::bad, colour));
  }
  for (const std::string& word : truth) {
    if (std::count(words.begin(), words.end(), word) == 0) missing.push_back(word);
  }
  std::string line = pad(std::to_string(level) + ":", 4) + (words.empty() ? "–" : join_words(shown));
  if (!missing.empty()) line += paint("  lacks " + join_words(missing), Tone::bad, colour);
  return line;
}

Lines level_lines(const std::vector<std::string>& words, const GraphQuestion& question, bool colour) {
  Lines lines = {pad("0:", 4) + question.words[question.root]};
  std::vector<std::string> level;
  for (size_t i = 0; i <= words.size(); ++i) {
    if (i < words.size() && words[i] != ";") {
      level.push_back(words[i]);
    } else if (i < words.size() || !level.empty()) {
      lines.push_back(level_line(level, std::ssize(lines), question, colour));
      level.clear();
    }
  }
  return lines;
}

}  // namespace

Lines word_chain(const std::vector<std::string>& words, const GraphQuestion* question, const RenderOptions& options) {
  if (words.empty()) return {"(no words)"};
  if (question == nullptr) return wrap_words(words, options.width);
  const bool levels = std::count(words.begin(), words.end(), ";") > 0;
  Lines lines = levels ? level_lines(words, *question, options.colour) : path_lines(words, *question, options.colour);
  constexpr int64_t kMostLines = 15;  // a path is at most 6 steps long; one that never ends would fill the screen
  if (std::ssize(lines) > kMostLines + 1) {
    const int64_t hidden = std::ssize(lines) - kMostLines;
    lines.resize(kMostLines);
    lines.push_back("and " + std::to_string(hidden) + (levels ? " more levels" : " more words"));
  }
  for (std::string& line : lines) line = clip(line, options.width);
  return lines;
}

Lines graph_picture(const GraphQuestion& question, const RenderOptions& options) {
  const bool colour = options.colour;
  Lines lines;
  lines.push_back("Which can be reached from " + paint(question.words[question.root], Tone::bold, colour) + ": " +
                  question.words[question.candidates[0]] + " or " + question.words[question.candidates[1]] + "?");
  const std::string size =
      "(" + counted(std::ssize(question.words), "node") + ", " + counted(std::ssize(question.edges), "edge") + ")";
  if (display_width(lines[0]) + 3 + display_width(size) <= options.width) {
    lines[0] += "   " + size;
  } else {
    lines.push_back(size);
  }
  const int64_t deepest = *std::max_element(question.distance.begin(), question.distance.end());
  // One block a distance; the nodes without a path from the root come last.
  for (int64_t step = 0; step <= deepest + 1; ++step) {
    const bool reached = step <= deepest;
    std::vector<std::string> parts;
    for (const int64_t node : question.at_distance(reached ? step : -1)) {
      const std::vector<int64_t> next = question.successors(node);
      std::vector<std::string> names;
      for (const int64_t other : next) names.push_back(marked(question, other, colour));
      const std::string arrow = next.empty() ? "" : " → " + join_words(names);
      parts.push_back(marked(question, node, colour) + arrow + "  ");
    }
    if (parts.empty()) continue;
    constexpr int64_t kIndent = 10;
    Lines block = wrap_words(parts, options.width - kIndent);
    const std::string title = step == 0 ? "root"
                              : reached ? std::to_string(step) + (step == 1 ? " step" : " steps")
                                        : "no path";
    for (size_t i = 0; i < block.size(); ++i) {
      lines.push_back(paint(pad(i == 0 ? title : "", kIndent), Tone::dim, colour) + block[i]);
    }
  }
  for (std::string& line : lines) {
    line.erase(line.find_last_not_of(' ') + 1);
    line = clip(line, options.width);
  }
  return lines;
}

}  // namespace tacit
