#include "datasets/lines.h"

namespace tacit {

std::string question_line(const std::string& question) { return tight_lines(question) + "\n"; }

std::string tight_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c != ' ' || !out.ends_with('\n')) out += c;
  }
  return out;
}

Example on_lines(Example example, bool marked) {
  example.question = question_line(example.question);
  for (std::string& step : example.steps) step += "\n";
  example.answer = (marked ? " " : "### ") + example.answer;
  return example;
}

}  // namespace tacit
