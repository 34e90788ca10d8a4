#include <algorithm>
#include <cstdio>

#include "apps/counted.h"
#include "apps/reply.h"

namespace tacit {
namespace {

std::string headline(const Told& told) {
  char ms[32];
  std::snprintf(ms, sizeof ms, "%.1f ms", told.reply.ms);
  return told.title + " · " + told.reply.method + " · " + steps_text(told.reply) + " · " + ms;
}

// Without the verdict, which stands below both sides' pictures.
Lines picture(const Told& told, const Asked& asked, const RenderOptions& options) {
  Lines lines = {clip(paint(headline(told), Tone::bold, options.colour), options.width), ""};
  const Reply& reply = told.reply;
  Lines body = {none_text(reply)};
  if (!reply.words.empty()) body = word_chain(reply.words, reply.in_words ? asked.graph : nullptr, options);
  if (!reply.grid.thoughts.empty())
    body = thought_bars(asked.graph ? with_truth(reply.grid, *asked.graph) : reply.grid, options);
  lines.insert(lines.end(), body.begin(), body.end());
  return lines;
}

// Columns that the lines take, at most `most`.
int64_t widest(const Lines& lines, int64_t most) {
  int64_t width = 0;
  for (const std::string& line : lines) width = std::max(width, display_width(line));
  return std::min(width, most);
}

Lines above_each_other(const Told& left, const Told& right, const Asked& asked, const RenderOptions& options) {
  Lines lines;
  for (const Told* told : {&left, &right}) {
    if (!lines.empty()) lines.emplace_back();
    const Lines one = picture(*told, asked, options);
    lines.insert(lines.end(), one.begin(), one.end());
    lines.insert(lines.end(), {"", verdict(told->reply, asked, options.colour)});
  }
  for (std::string& line : lines) line = clip(line, options.width);
  return lines;
}

}  // namespace

std::string steps_text(const Reply& reply) {
  return counted(reply.steps, reply.in_words ? "word" : reply.words.empty() ? "thought" : "pause");
}

std::string none_text(const Reply& reply) { return reply.in_words ? "(no words)" : "(no thoughts)"; }

Asked Asked::about(const GraphQuestion* graph, std::string expected) {
  if (graph != nullptr && graph->answer() >= 0) expected = graph->words[graph->answer()];
  return {graph, std::move(expected)};
}

std::string verdict(const Reply& reply, const Asked& asked, bool colour) {
  const std::string answer = "answer " + (reply.answer.empty() ? "(none)" : reply.answer);
  if (asked.expected.empty()) return paint(answer, Tone::bold, colour);
  if (reply.answer == asked.expected) return paint(answer + " ✓ right", Tone::good, colour);
  return paint(answer + " ✗ wrong, it is " + asked.expected, Tone::bad, colour);
}

Lines replies_side_by_side(const Told& left, const Told& right, const Asked& asked, const RenderOptions& options) {
  constexpr int64_t kGap = 3, kLeastLeft = 30;
  // Words take what they need and leave the rest to the bars; two sides of bars share.
  const bool both_drawn = !left.reply.grid.thoughts.empty() && !right.reply.grid.thoughts.empty();
  const int64_t right_least = grid_width(std::clamp<int64_t>(right.reply.steps, 3, 6));
  const int64_t left_most = both_drawn ? (options.width - kGap) / 2 : options.width - kGap - right_least;
  const std::string first_verdict = verdict(left.reply, asked, options.colour);
  if (left_most < (both_drawn ? grid_width(3) : kLeastLeft)) return above_each_other(left, right, asked, options);
  Lines first = picture(left, asked, {left_most, options.colour});
  const int64_t needed = std::max(widest(first, left_most), std::min(left_most, display_width(first_verdict)));
  const int64_t left_width = both_drawn ? left_most : needed;
  Lines second = picture(right, asked, {options.width - kGap - left_width, options.colour});
  const size_t height = std::max(first.size(), second.size()) + 1;
  first.resize(height);
  second.resize(height);
  first.push_back(first_verdict);
  second.push_back(verdict(right.reply, asked, options.colour));
  return side_by_side(first, second, left_width, options);
}

}  // namespace tacit
