#include <algorithm>
#include <initializer_list>

#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/json.h"
#include "lib/tokenizer/chat_template.h"

namespace tacit {
namespace {

constexpr const char* kLoadChatTemplate = "load_chat_template";

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// Copies the string literal at text[i] in single quotes, a line end in it as \n. Returns the position behind it.
size_t copy_literal(std::string_view text, size_t i, std::string& result) {
  const char quote = text[i++];
  result += '\'';
  for (; i < text.size() && text[i] != quote; ++i) {
    if (text[i] == '\\' && i + 1 < text.size())
      result.append(text.substr(i++, 2));
    else if (text[i] == '\n')
      result += "\\n";
    else
      result.append(text[i] == '\'' ? "\\'" : text.substr(i, 1));
  }
  result += '\'';
  return i + 1;
}

// A Jinja template in one spelling, so that a family can be told by what stands in it: no comments, no white space and
// no white-space control outside of literals, x.role for x['role'], 'ab' for "a" + 'b'.
std::string one_spelling(std::string_view jinja) {
  std::string result;
  bool in_tag = false;
  for (size_t i = 0; i < jinja.size();) {
    const std::string_view rest = jinja.substr(i);
    if (!in_tag && rest.starts_with("{#")) {
      i = std::min(jinja.find("#}", i), jinja.size() - 2) + 2;
    } else if (!in_tag && (rest.starts_with("{{") || rest.starts_with("{%"))) {
      in_tag = true;
      result.append(rest.substr(0, 2));
      i += rest.size() > 2 && rest[2] == '-' ? 3 : 2;
    } else if (in_tag && (rest.starts_with("-}}") || rest.starts_with("-%}"))) {
      ++i;
    } else if (in_tag && (rest.starts_with("}}") || rest.starts_with("%}"))) {
      in_tag = false;
      result.append(rest.substr(0, 2));
      i += 2;
    } else if (in_tag && (rest[0] == '\'' || rest[0] == '"')) {
      i = copy_literal(jinja, i, result);
    } else {
      if (!has(" \t\r\n", rest.substr(0, 1))) result += rest[0];
      ++i;
    }
  }
  for (const char* field : {"role", "content"})
    replace_all(result, "['" + std::string(field) + "']", "." + std::string(field));
  replace_all(result, "'+'", "");
  return result;
}

// A family's template has all of `needs` and nothing of `lacks`, which would make it do what the data do not say.
struct TemplateFamily {
  const char* name;
  std::vector<std::string_view> needs, lacks;
};

const std::vector<TemplateFamily>& template_families() {
  using Parts = std::vector<std::string_view>;
  const auto with = [](Parts some, std::initializer_list<std::string_view> more) {
    some.insert(some.end(), more);
    return some;
  };
  static const Parts chatml = {R"('<|im_start|>'+message.role+'\n'+message.content+'<|im_end|>\n')",
                               R"({%ifadd_generation_prompt%}{{'<|im_start|>assistant\n'}}{%)"};
  static const Parts llama3 = {
      R"('<|start_header_id|>'+message.role+'<|end_header_id|>\n\n'+message.content|trim+'<|eot_id|>')",
      R"({%ifadd_generation_prompt%}{{'<|start_header_id|>assistant<|end_header_id|>\n\n'}}{%endif%})", "bos_token"};
  static const Parts told = {R"({{'Cutting Knowledge Date: December 2023\n'}}{{'Today Date: '+date_string+'\n\n'}})",
                             R"(setdate_string='26 Jul 2024')"};
  static const Parts never = {"eos_token", "Conversation roles", "{%generation%}", "loop.index0%2", "think"};
  static const std::vector<TemplateFamily> all = {
      {"chatml", chatml, with(never, {"trim", "strip(", "replace(", "bos_token", "strftime_now", "raise_exception"})},
      {"qwen3",
       with(chatml, {"last_query_index", "loop.lastor(notloop.lastandreasoning_content)", "enable_thinkingisfalse",
                     R"({{'<think>\n\n</think>\n\n'}})"}),
       {"trim", "bos_token", "eos_token", "strftime_now", "enable_thinkingistrue"}},
      {"llama3", llama3,
       with(never, {"Cutting Knowledge", "strftime_now", "raise_exception", "messages[1:]", "tools"})},
      {"llama3.1", with(with(llama3, {told[0], told[1]}), {}), with(never, {"strftime_now"})},
      {"llama3.2", with(with(llama3, {told[0], told[1]}), {"setdate_string=strftime_now('%d %b %Y')"}), never},
  };
  return all;
}

std::string unescaped(std::string_view literal, std::string_view source) {
  std::string text;
  for (size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] != '\\') {
      text += literal[i];
      continue;
    }
    constexpr std::string_view kEscapes = "nt\\'\"", kMeanings = "\n\t\\'\"";
    const size_t known = ++i < literal.size() ? kEscapes.find(literal[i]) : std::string_view::npos;
    require(known != std::string_view::npos, kLoadChatTemplate,
            "expected the escapes \\n, \\t and \\\\ in the system prompt but got '", literal, "' in ", source);
    text += kMeanings[known];
  }
  return text;
}

// The system prompt that ChatML's heirs give to a conversation without one: a turn written out in the template.
std::optional<std::string> default_system_of(std::string_view spelled, std::string_view source) {
  constexpr std::string_view begin = R"('<|im_start|>system\n)", end = R"(<|im_end|>\n')";
  for (size_t at = spelled.find(begin); at != std::string_view::npos; at = spelled.find(begin, at + 1)) {
    const std::string_view rest = spelled.substr(at + begin.size());
    size_t quote = 0;
    while (quote < rest.size() && rest[quote] != '\'') quote += rest[quote] == '\\' ? 2 : 1;
    const std::string_view literal = rest.substr(0, quote + 1);
    if (literal.ends_with(end)) return unescaped(literal.substr(0, literal.size() - end.size()), source);
  }
  return std::nullopt;
}

// The template's text: a string, or among several named ones the default.
std::string jinja_of(const JsonReader& config, const std::filesystem::path& directory) {
  if (std::filesystem::exists(directory / "chat_template.jinja"))
    return read_file(directory / "chat_template.jinja", kLoadChatTemplate);
  if (!config.has("chat_template")) config.reject("chat_template", "to be a template");
  const Json& field = config.json()["chat_template"];
  if (!field.is_array()) return config.string("chat_template");
  for (size_t i = 0; i < field.size(); ++i) {
    const JsonReader entry(field[i], kLoadChatTemplate, "tokenizer_config.json",
                           "chat_template[" + std::to_string(i) + "]");
    if (entry.string("name") == "default") return entry.string("template");
  }
  config.reject("chat_template", "to have one with the name \"default\"");
}

// A special token is written as its text or as an object with a content.
std::string bos_of(const JsonReader& config) {
  if (!config.has("bos_token")) return "";
  if (config.json()["bos_token"].is_object()) return config.object("bos_token").string("content");
  return config.string("bos_token");
}

}  // namespace

ChatTemplate recognize_chat_template(std::string_view jinja, std::string_view bos_token, std::string_view source) {
  const std::string spelled = one_spelling(jinja);
  const auto in = [&](std::string_view part) { return has(spelled, part); };
  std::string names;
  for (const TemplateFamily& family : template_families()) {
    names += (names.empty() ? "" : ", ") + std::string(family.name);
    if (!std::ranges::all_of(family.needs, in) || std::ranges::any_of(family.lacks, in)) continue;
    ChatTemplate chat = chat_template(family.name);
    if (!chat.begin.empty()) {
      require(!bos_token.empty(), kLoadChatTemplate, "expected a 'bos_token' for the chat template but got none in ",
              source);
      chat.begin = bos_token;
    }
    if (chat.name != "chatml") return chat;
    chat.default_system = default_system_of(spelled, source);
    for (const char* name : {"qwen2", "qwen2.5"}) {
      if (chat_template(name).default_system == chat.default_system) chat.name = name;
    }
    return chat;
  }
  fail(kLoadChatTemplate, "expected a chat template of a known family (", names, ") but got another in ", source);
}

ChatTemplate load_chat_template(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "tokenizer_config.json";
  require(std::filesystem::exists(path) || std::filesystem::exists(directory / "chat_template.jinja"),
          kLoadChatTemplate,
          "expected a checkpoint with a chat template, in tokenizer_config.json or chat_template.jinja, but there is "
          "none in ",
          directory.string());
  const Json json = read_json(path, kLoadChatTemplate);
  const JsonReader config(json, kLoadChatTemplate, path.string());
  return recognize_chat_template(jinja_of(config, directory), bos_of(config), directory.string());
}

}  // namespace tacit
