#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tacit {

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

struct ChatOptions {
  bool generation_prompt = true;     // ends where the assistant's answer begins (HF's add_generation_prompt)
  bool thinking = true;              // qwen3: false opens the answer with an empty thought (enable_thinking)
  std::string date = "26 Jul 2024";  // llama3.2: the day it is told; the default is what its template has for no clock
};

// How a chat model was trained to see a conversation. Data, not a program: what a family's Jinja template does with
// plain messages, without tools.
struct ChatTemplate {
  enum class Thoughts { kept, qwen3 };  // in an assistant's turn; qwen3: see render_chat

  std::string name;         // "chatml", "qwen2", "qwen2.5", "qwen3", "llama3", "llama3.1" or "llama3.2"
  std::string begin;        // stands before the first turn
  std::string before_role;  // a turn is before_role role after_role content after_content
  std::string after_role;
  std::string after_content;
  std::optional<std::string> default_system;  // content of a system turn for messages that do not begin with one
  std::string before_system;  // stands before the content of the first system turn; "{date}" is ChatOptions::date
  bool trim = false;          // white space around each content is dropped, as Python's str.strip does
  Thoughts thoughts = Thoughts::kept;
  std::string no_thought;  // stands behind the generation prompt when thinking is off; "": always thinks as it likes
};

// A template by its name. Fails naming those there are.
const ChatTemplate& chat_template(std::string_view name);

// The template that a checkpoint asks for: chat_template.jinja, else the field `chat_template` of
// tokenizer_config.json, recognised by what is in it and completed with the file's default system prompt and BOS token.
// Fails when there is none, and on one that is none of those above: a prompt that would silently differ is refused.
ChatTemplate load_chat_template(const std::filesystem::path& directory);

// The same for the text of a Jinja template. `source` is named in errors.
ChatTemplate recognize_chat_template(std::string_view jinja, std::string_view bos_token, std::string_view source);

// Text of a conversation; equals HF `apply_chat_template(messages, tokenize=False)`. Markers of the template that stand
// in a content are not escaped, there as here. BOS is part of the text where the template writes it. With
// Thoughts::qwen3 an assistant's turn loses what it has up to "</think>", unless it comes after the last user's: then
// the thought is set off from the answer, also an empty one before the last answer. Fails on no messages and on another
// role.
std::string render_chat(const ChatTemplate& chat, std::span<const ChatMessage> messages,
                        const ChatOptions& options = {});

}  // namespace tacit
