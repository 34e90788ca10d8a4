#include <algorithm>
#include <cstdio>

#include "apps/counted.h"
#include "apps/reply.h"
#include "apps/thought_readout.h"

namespace tacit {
namespace {

// As many lines as it takes: no part of it is cut.
Lines headline(const Told& told, int64_t width) {
  char ms[32];
  std::snprintf(ms, sizeof ms, "%.1f ms", told.reply.ms);
  return wrap_parts({printable(told.title), printable(told.reply.method), capped_steps_text(told.reply), ms}, width);
}

Lines bold_headline(const Told& told, const RenderOptions& options) {
  Lines lines = headline(told, options.width);
  for (std::string& line : lines) line = paint(line, Tone::bold, options.colour);
  return lines;
}

// The scale of both sides' bars, so that equal shares look equal.
double common_full_bar(const Told& left, const Told& right, const Asked& asked) {
  double full = 0;
  for (const Told* told : {&left, &right}) {
    if (!told->reply.grid.thoughts.empty()) full = std::max(full, full_bar(shown_grid(told->reply, asked.graph)));
  }
  return full;
}

// Headline, at least `head` lines, and what was thought; the verdict stands below both sides' pictures.
Lines picture(const Told& told, const Asked& asked, const RenderOptions& options, double full, size_t head = 0) {
  Lines lines = bold_headline(told, options);
  lines.resize(std::max(lines.size(), head) + 1);
  const Reply& reply = told.reply;
  Lines body = {none_text(reply)};
  if (!reply.words.empty()) body = word_chain(shown_words(reply), reply.in_words ? asked.graph : nullptr, options);
  if (!reply.grid.thoughts.empty()) body = thought_bars(shown_grid(reply, asked.graph), options, {.full = full});
  lines.insert(lines.end(), body.begin(), body.end());
  return lines;
}

// Columns that the lines take, at most `most`.
int64_t widest(const Lines& lines, int64_t most) {
  int64_t width = 0;
  for (const std::string& line : lines) width = std::max(width, display_width(line));
  return std::min(width, most);
}

Lines above_each_other(const Told& left, const Told& right, const Asked& asked, const RenderOptions& options,
                       double full) {
  Lines lines;
  for (const Told* told : {&left, &right}) {
    if (!lines.empty()) lines.emplace_back();
    const Lines one = picture(*told, asked, options, full);
    lines.insert(lines.end(), one.begin(), one.end());
    lines.emplace_back();
    const Lines end = verdict(told->reply, asked, options);
    lines.insert(lines.end(), end.begin(), end.end());
  }
  for (std::string& line : lines) line = clip(line, options.width);
  return lines;
}

// "✓ right", "✗ wrong, it is 4"; "" where no answer is known.
std::string judgement(const Reply& reply, const Asked& asked) {
  if (asked.expected.empty()) return "";
  const std::optional<bool> right = is_right(reply, asked);
  if (right && *right) return "✓ right";
  return (right ? "✗ wrong, it is " : "not judged, it is ") + printable(asked.expected);
}

Tone verdict_tone(const Reply& reply, const Asked& asked) {
  const std::optional<bool> right = is_right(reply, asked);
  return !right ? Tone::bold : *right ? Tone::good : Tone::bad;
}

std::string answer_text(const Reply& reply) {
  return "answer " + (reply.answer.empty() ? "(none)" : printable(reply.answer));
}

}  // namespace

std::string steps_text(const Reply& reply) {
  return counted(reply.steps, reply.in_words ? "word" : reply.words.empty() ? "thought" : "pause");
}

std::string capped_steps_text(const Reply& reply) { return steps_text(reply) + (reply.cut_off ? ", the cap" : ""); }

std::string none_text(const Reply& reply) { return reply.in_words ? "(no words)" : "(no thoughts)"; }

std::vector<std::string> shown_words(const Reply& reply) {
  std::vector<std::string> words;
  for (const std::string& word : reply.words) words.push_back(printable(word));
  return words;
}

ThoughtGrid shown_grid(const Reply& reply, const GraphQuestion* graph) {
  ThoughtGrid grid = graph != nullptr ? with_truth(reply.grid, *graph) : reply.grid;
  for (WordShares& shares : grid.thoughts) {
    for (auto& [word, share] : shares) word = printable(word);
  }
  return grid;
}

Asked Asked::about(const GraphQuestion* graph, std::string expected) {
  if (graph != nullptr && graph->answer() >= 0) expected = graph->words[graph->answer()];
  return {graph, std::move(expected)};
}

std::optional<bool> is_right(const Reply& reply, const Asked& asked) {
  if (asked.expected.empty() || reply.by_choice) return {};
  return reply.right.value_or(reply.answer == asked.expected);
}

bool same_answer(const AnswerRule& rule, const Reply& a, const Reply& b) {
  const bool both = !a.counted.empty() && !b.counted.empty();
  return both && rule.same ? rule.same(a.counted, b.counted) : a.counted == b.counted;
}

Lines verdict(const Reply& reply, const Asked& asked, const RenderOptions& options) {
  constexpr int64_t kLeastAnswer = 16;  // columns, "answer" among them
  const std::string answer = answer_text(reply), told = judgement(reply, asked);
  if (told.empty()) return {paint(clip(answer, options.width), Tone::bold, options.colour)};
  const int64_t room = options.width - display_width(told) - 1;
  const bool beside = room >= std::min(kLeastAnswer, display_width(answer));
  Lines lines = {clip(answer, beside ? room : options.width)};
  if (beside) {
    lines[0] += " " + told;
  } else {
    const Lines below = wrap_text(told, options.width);
    lines.insert(lines.end(), below.begin(), below.end());
  }
  for (std::string& line : lines) line = paint(line, verdict_tone(reply, asked), options.colour);
  return lines;
}

Lines whole_reply(const Told& told, const Asked& asked, const RenderOptions& options) {
  const Reply& reply = told.reply;
  Lines lines = bold_headline(told, options);
  lines.emplace_back();
  const std::string chain =
      !reply.words.empty() ? join_words(shown_words(reply))
      : reply.grid.thoughts.empty()
          ? none_text(reply)
          : "(" + steps_text(reply) + (reply.steps == 1 ? " that is no word)" : " that are no words)");
  for (std::string& line : wrap_whole(chain, options.width)) lines.push_back(std::move(line));
  lines.emplace_back();
  for (const std::string& line : wrap_whole(answer_text(reply) + " " + judgement(reply, asked), options.width))
    lines.push_back(paint(line, verdict_tone(reply, asked), options.colour));
  return lines;
}

Lines replies_side_by_side(const Told& left, const Told& right, const Asked& asked, const RenderOptions& options) {
  constexpr int64_t kGap = 3, kLeastLeft = 30;
  // Words take what they need and leave the rest to the bars; two sides of bars share.
  const bool both_drawn = !left.reply.grid.thoughts.empty() && !right.reply.grid.thoughts.empty();
  const int64_t right_least = grid_width(std::clamp<int64_t>(right.reply.steps, 3, 6));
  const int64_t left_most = both_drawn ? (options.width - kGap) / 2 : options.width - kGap - right_least;
  const double full = common_full_bar(left, right, asked);
  if (left_most < (both_drawn ? grid_width(3) : kLeastLeft)) return above_each_other(left, right, asked, options, full);
  int64_t left_width = left_most;
  if (!both_drawn) {
    left_width = widest(picture(left, asked, {left_most, options.colour}, full), left_most);
    left_width = std::max(left_width, widest(verdict(left.reply, asked, {left_most, options.colour}), left_most));
  }
  const RenderOptions on_left{left_width, options.colour};
  const RenderOptions on_right{options.width - kGap - left_width, options.colour};
  const size_t head = std::max(headline(left, on_left.width).size(), headline(right, on_right.width).size());
  Lines first = picture(left, asked, on_left, full, head), second = picture(right, asked, on_right, full, head);
  const size_t height = std::max(first.size(), second.size()) + 1;
  first.resize(height);
  second.resize(height);
  for (const auto& [lines, reply] : {std::pair(&first, &left.reply), std::pair(&second, &right.reply)}) {
    const Lines end = verdict(*reply, asked, lines == &first ? on_left : on_right);
    lines->insert(lines->end(), end.begin(), end.end());
  }
  return side_by_side(first, second, left_width, options);
}

}  // namespace tacit
