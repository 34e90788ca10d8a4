#include "eval/prompts.h"

#include <algorithm>
#include <set>

#include "eval/sample.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/rng.h"

namespace tacit {
namespace {

constexpr const char* kPrompt = "prompt";
constexpr uint32_t kShotStream = 0x73686F74;  // "shot"; generators have the small numbers (datasets/generators.h)

using Words = std::vector<std::pair<std::string, std::string>>;

// One pass, so that braces in a question stay what they are.
std::string filled(const std::string& pattern, const Words& words) {
  std::string out;
  for (size_t i = 0; i < pattern.size();) {
    const auto word =
        std::ranges::find_if(words, [&](const auto& w) { return pattern.compare(i, w.first.size(), w.first) == 0; });
    out += word == words.end() ? pattern.substr(i, 1) : word->second;
    i += word == words.end() ? 1 : word->first.size();
  }
  return out;
}

std::string joined(const std::vector<std::string>& parts, const std::string& separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) out += (i == 0 ? "" : separator) + parts[i];
  return out;
}

Words words_of(const PromptSpec& prompt, const Example& example) {
  std::vector<std::string> choices;
  for (size_t i = 0; i < example.choices.size(); ++i) {
    choices.push_back(
        filled(prompt.choice, {{"{letter}", choice_letter(static_cast<int64_t>(i))}, {"{text}", example.choices[i]}}));
  }
  return {{"{question}", example.question},
          {"{choices}", joined(choices, "\n")},
          {"{steps}", joined(example.steps, prompt.step_separator)},
          {"{answer}", example.answer}};
}

std::vector<Example> shots_of(const Task& task, const TaskOptions& options) {
  TaskOptions from = options;
  if (!options.shots_data.empty()) from.data = options.shots_data;
  std::vector<Example> all = task.load(from);
  std::vector<Example> out;
  std::set<std::string> questions;  // the same one twice would fill a prompt with itself
  for (const int64_t i : Rng(options.seed, 0, kShotStream).permutation(std::ssize(all))) {
    if (std::ssize(out) > options.shots) break;  // one more than wanted, for a question that is among them
    if (questions.insert(all[i].question).second) out.push_back(std::move(all[i]));
  }
  return out;
}

void check_shots(const Task& task, const TaskOptions& options) {
  require(options.shots >= 0, kPrompt, "expected a number of solved examples of at least 0 but got ", options.shots);
  if (options.shots == 0) return;
  require(uses_template(task, options), kPrompt,
          "expected a question in a template, to put solved examples before, but task '", task.name,
          task.prompt.question.empty() ? "' has none" : "' is asked plainly");
  require(!task.prompt.solution.empty(), kPrompt, "expected a task whose file holds solutions but that of '", task.name,
          "' has none");
}

}  // namespace

bool uses_template(const Task& task, const TaskOptions& options) {
  if (task.prompt.question.empty() || options.prompt == PromptStyle::plain) return false;
  return options.prompt == PromptStyle::in_template || !options.lines;
}

std::string render_question(const PromptSpec& prompt, const Example& example) {
  return prompt.question.empty() ? example.question : filled(prompt.question, words_of(prompt, example));
}

std::string render_solved(const PromptSpec& prompt, const Example& example) {
  return render_question(prompt, example) + filled(prompt.solution, words_of(prompt, example));
}

std::vector<std::string> render_prompts(const Task& task, const std::vector<Example>& examples,
                                        const TaskOptions& options, const ChatTemplate* chat) {
  check_shots(task, options);
  require(options.prompt != PromptStyle::in_template || !task.prompt.question.empty(), kPrompt,
          "expected a task with a template but '", task.name, "' has none");
  const bool in_template = uses_template(task, options);
  const std::vector<Example> shots = options.shots > 0 ? shots_of(task, options) : std::vector<Example>();
  std::vector<std::string> out;
  for (const Example& example : examples) {
    std::string text;
    int64_t taken = 0;
    for (const Example& shot : shots) {
      if (taken == options.shots || shot.question == example.question) continue;
      text += render_solved(task.prompt, shot) + task.prompt.separator;
      ++taken;
    }
    require(taken == options.shots, kPrompt, "expected ", options.shots, " solved examples beside '", example.id,
            "' but got ", taken);
    text += in_template ? render_question(task.prompt, example) : example.question;
    if (chat != nullptr) text = render_chat(*chat, std::vector<ChatMessage>{{"user", text}});
    out.push_back(std::move(text));
  }
  return out;
}

OrderedJson prompt_record(const Task& task, const TaskOptions& options, const std::string& chat) {
  const bool in_template = uses_template(task, options);
  if (!in_template && !options.chat && task.stop.empty()) return nullptr;
  OrderedJson out = {{"template", in_template ? OrderedJson(task.prompt.question) : OrderedJson()},
                     {"chat", options.chat ? OrderedJson(chat) : OrderedJson()},
                     {"stop", task.stop}};
  out["shots"] = options.shots;
  if (options.shots > 0) {
    const std::filesystem::path file = options.shots_data.empty() ? data_of(task, options) : options.shots_data;
    out["shots_seed"] = options.seed;
    out["shots_data"] = valid_utf8(file.filename().string());
    out["shots_data_sha256"] = sha256_hex(MappedFile::open(file, "evaluate")->bytes());
  }
  return out;
}

std::string cut_at_stop(const std::string& text, const std::vector<std::string>& stop) {
  size_t end = text.size();
  for (const std::string& each : stop) end = std::min(end, text.find(each));
  return text.substr(0, end);
}

bool ends_at_stop(const std::string& text, const std::vector<std::string>& stop) {
  const size_t cut = cut_at_stop(text, stop).size();
  if (cut == text.size()) return false;  // a stop string is never empty
  for (const std::string& each : stop) {
    for (size_t begin = text.size() - std::min(text.size(), each.size()); begin < cut; ++begin) {
      if (each.starts_with(std::string_view(text).substr(begin))) return false;
    }
  }
  return true;
}

Scorer stopping_at(Scorer scorer, const std::vector<std::string>& stop) {
  if (stop.empty()) return scorer;
  std::string quoted;
  for (const std::string& each : stop) quoted += (quoted.empty() ? "" : " or ") + Json(each).dump();
  scorer.rule += "; the text ends before the first " + quoted;
  scorer.score = [inner = std::move(scorer.score), stop](const Example& example, const std::string& text) {
    return inner(example, cut_at_stop(text, stop));
  };
  if (!scorer.score_chain) return scorer;
  scorer.score_chain = [inner = std::move(scorer.score_chain), stop](
                           const Example& example, const std::string& thoughts, const std::string& text) {
    return inner(example, thoughts, cut_at_stop(text, stop));
  };
  return scorer;
}

}  // namespace tacit
