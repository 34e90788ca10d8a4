#include "lib/tokenizer/chat_template.h"

#include <algorithm>
#include <array>

#include "lib/core/error.h"
#include "lib/tokenizer/utf8.h"

namespace tacit {
namespace {

constexpr const char* kChat = "chat";
constexpr std::string_view kEndOfThought = "</think>";

ChatTemplate chatml(std::string name, std::optional<std::string> default_system = std::nullopt) {
  return {.name = std::move(name),
          .before_role = "<|im_start|>",
          .after_role = "\n",
          .after_content = "<|im_end|>\n",
          .default_system = std::move(default_system)};
}

ChatTemplate qwen3() {
  ChatTemplate chat = chatml("qwen3");
  chat.thoughts = ChatTemplate::Thoughts::qwen3;
  chat.no_thought = "<think>\n\n</think>\n\n";
  return chat;
}

ChatTemplate llama3(std::string name, std::string before_system = "") {
  ChatTemplate chat{.name = std::move(name),
                    .begin = "<|begin_of_text|>",
                    .before_role = "<|start_header_id|>",
                    .after_role = "<|end_header_id|>\n\n",
                    .after_content = "<|eot_id|>",
                    .before_system = std::move(before_system),
                    .trim = true};
  if (!chat.before_system.empty()) chat.default_system = "";  // the date is told in any case
  return chat;
}

const std::vector<ChatTemplate>& templates() {
  static const std::vector<ChatTemplate> all = {
      chatml("chatml"),
      chatml("qwen2", "You are a helpful assistant."),
      chatml("qwen2.5", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
      qwen3(),
      llama3("llama3"),
      llama3("llama3.1", "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"),
      llama3("llama3.2", "Cutting Knowledge Date: December 2023\nToday Date: {date}\n\n"),
  };
  return all;
}

// Python's str.isspace, which takes in four control characters that Unicode's White_Space does not.
bool is_python_space(char32_t value) { return is_white_space(value) || (value >= 0x1C && value <= 0x1F); }

std::string_view stripped(std::string_view text) {
  for (CodePoint next = code_point_at(text, 0); next.bytes > 0 && is_python_space(next.value);
       next = code_point_at(text, 0))
    text.remove_prefix(static_cast<size_t>(next.bytes));
  for (CodePoint last = code_point_before(text, text.size()); last.bytes > 0 && is_python_space(last.value);
       last = code_point_before(text, text.size()))
    text.remove_suffix(static_cast<size_t>(last.bytes));
  return text;
}

std::string_view without_newlines_before(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of('\n'), text.size()));
}

std::string_view without_newlines_around(std::string_view text) {
  text = without_newlines_before(text);
  return text.substr(0, text.find_last_not_of('\n') + 1);
}

// A user's turn that is not the answer of a tool: what comes behind the last one belongs to the same train of thought.
bool asks(const ChatMessage& message) {
  return message.role == "user" &&
         !(message.content.starts_with("<tool_response>") && message.content.ends_with("</tool_response>"));
}

std::string qwen3_answer(std::string_view content, bool after_last_question, bool last) {
  std::string_view thought;
  if (const size_t end = content.find(kEndOfThought); end != std::string_view::npos) {
    constexpr std::string_view begin = "<think>";
    thought = content.substr(0, end);
    if (const size_t start = thought.rfind(begin); start != std::string_view::npos)
      thought = thought.substr(start + begin.size());
    thought = without_newlines_around(thought);
    content = without_newlines_before(content.substr(content.rfind(kEndOfThought) + kEndOfThought.size()));
  }
  if (!after_last_question || (!last && thought.empty())) return std::string(content);
  std::string text = "<think>\n";
  return text.append(thought).append("\n</think>\n\n").append(without_newlines_before(content));
}

std::string with_date(std::string text, const std::string& date) {
  constexpr std::string_view place = "{date}";
  if (const size_t found = text.find(place); found != std::string::npos) text.replace(found, place.size(), date);
  return text;
}

void check(std::span<const ChatMessage> messages) {
  require(!messages.empty(), kChat, "expected at least one message but got none");
  constexpr std::array<std::string_view, 3> kRoles = {"system", "user", "assistant"};
  for (size_t i = 0; i < messages.size(); ++i) {
    require(std::find(kRoles.begin(), kRoles.end(), messages[i].role) != kRoles.end(), kChat,
            "expected the role system, user or assistant but got '", messages[i].role, "' in message ", i);
  }
}

}  // namespace

const ChatTemplate& chat_template(std::string_view name) {
  std::string names;
  for (const ChatTemplate& chat : templates()) {
    if (chat.name == name) return chat;
    names += (names.empty() ? "" : ", ") + chat.name;
  }
  fail(kChat, "expected a chat template (", names, ") but got '", name, "'");
}

std::string render_chat(const ChatTemplate& chat, std::span<const ChatMessage> messages, const ChatOptions& options) {
  check(messages);
  const auto last_question = std::find_if(messages.rbegin(), messages.rend(), asks);
  const size_t answers_from =
      last_question == messages.rend() ? messages.size() : static_cast<size_t>(messages.rend() - last_question);

  std::string text = chat.begin;
  const auto turn = [&](std::string_view role, std::string_view content, const std::string& before = "") {
    text.append(chat.before_role).append(role).append(chat.after_role).append(before);
    text.append(chat.trim ? stripped(content) : content).append(chat.after_content);
  };
  const std::string before_system = with_date(chat.before_system, options.date);
  if (chat.default_system && messages.front().role != "system") turn("system", *chat.default_system, before_system);
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    if (chat.thoughts == ChatTemplate::Thoughts::qwen3 && message.role == "assistant")
      turn(message.role, qwen3_answer(message.content, i >= answers_from, i + 1 == messages.size()));
    else
      turn(message.role, message.content, i == 0 && message.role == "system" ? before_system : "");
  }
  if (options.generation_prompt) {
    text.append(chat.before_role).append("assistant").append(chat.after_role);
    if (!options.thinking) text.append(chat.no_thought);
  }
  return text;
}

}  // namespace tacit
