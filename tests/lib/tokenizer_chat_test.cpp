#include <doctest/doctest.h>

#include "lib/core/json.h"
#include "lib/tokenizer/chat_template.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

// Made by tests/parity/chat_reference.py with the Jinja templates of the published checkpoints.
const Json& reference() {
  static const Json json =
      read_json(std::filesystem::path(TACIT_SOURCE_DIR) / "tests/parity/fixtures/chat.json", "test");
  return json;
}

std::vector<ChatMessage> messages_of(const Json& conversation) {
  std::vector<ChatMessage> messages;
  for (const Json& turn : conversation)
    messages.push_back({turn.at("role").get<std::string>(), turn.at("content").get<std::string>()});
  return messages;
}

// The parts of a longer template that tell its family.
constexpr const char* kTurn =
    R"({{- "<|im_start|>" + message.role + "\n" + message['content'] + '<|im_end|>' + '\n' }}{%- endfor %})";
constexpr const char* kPrompt = "{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}";

std::string qwen_like(const std::string& system) {
  return "{#- it's a comment #}{%- if messages[0]['role'] == 'system' %}\n"
         "    {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}\n{%- else %}\n"
         "    {{- '<|im_start|>system\\n" +
         system + "<|im_end|>\\n' }}\n{%- endif %}\n{%- for message in messages %}" + kTurn + kPrompt;
}

std::string llama_text(const std::string& date) {
  return "{{- bos_token }}\n{%- if not date_string is defined %}" + date +
         R"({%- endif %}{{- "Cutting Knowledge Date: December 2023\n" }}{{- "Today Date: " + date_string + "\n\n" }}
            {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
            {%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %})";
}

constexpr const char* kQwen3 =
    R"({%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
       {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
       {%- if loop.last or (not loop.last and reasoning_content) %}{%- endif %}
       {%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}
       {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %})";

}  // namespace

TEST_CASE("conversations read as apply_chat_template writes them (transformers 5.24.0)") {
  int rows = 0;
  for (const Json& one : reference().at("cases")) {
    const ChatTemplate& chat = chat_template(one.at("template").get<std::string>());
    ChatOptions options;
    options.generation_prompt = one.at("add_generation_prompt").get<bool>();
    options.thinking = one.value("enable_thinking", true);
    options.date = one.value("date_string", options.date);
    for (size_t i = 0; i < one.at("texts").size(); ++i) {
      CAPTURE(chat.name);
      CAPTURE(i);
      CHECK(render_chat(chat, messages_of(reference().at("conversations")[i]), options) == one["texts"][i]);
      ++rows;
    }
  }
  CHECK(rows == 16 * 22);
}

TEST_CASE("a template is told by what is in it") {
  for (const auto& [name, jinja] : reference().at("short").items()) {
    CHECK(recognize_chat_template(jinja.get<std::string>(), "<|begin_of_text|>", "x").name == name);
  }
  const auto recognized = [](const std::string& jinja) { return recognize_chat_template(jinja, "<bos>", "x"); };
  CHECK(recognized(qwen_like("You are Qwen, created by Alibaba Cloud. You are a helpful assistant.")).name ==
        "qwen2.5");
  const ChatTemplate other = recognized(qwen_like(R"(It\'s \\boxed{}.)"));
  CHECK(other.name == "chatml");
  CHECK(other.default_system == R"(It's \boxed{}.)");
  CHECK(recognized(kQwen3).name == "qwen3");
  const ChatTemplate llama = recognized(llama_text("{%- set date_string = \"26 Jul 2024\" %}"));
  CHECK(llama.name == "llama3.1");
  CHECK(llama.begin == "<bos>");
  CHECK(recognized(llama_text("{%- set date_string = strftime_now(\"%d %b %Y\") %}"
                              "{%- else %}{%- set date_string = \"26 Jul 2024\" %}"))
            .name == "llama3.2");
}

TEST_CASE("a template that would give another prompt is refused") {
  const std::string chatml = reference().at("short").at("chatml").get<std::string>();
  const std::string llama3 = reference().at("short").at("llama3").get<std::string>();
  const auto changed = [](std::string text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  const std::vector<std::string> others = {
      "",
      "{#",
      "{{ 'unclosed",
      "{{ bos_token }}{% for message in messages %}[INST] {{ message['content'] }} [/INST]{% endfor %}",
      changed(chatml, "'<|im_end|>' + '\n'", "'<|im_end|>'"),
      changed(chatml, "message['content']", "message['content'] | trim"),
      changed(chatml, "{% for", "{{ bos_token }}{% for"),
      changed(chatml, "assistant\n", "assistant\n<think>\n"),
      changed(chatml, "{% if add_generation_prompt %}", ""),
      changed(llama3, " | trim", ""),
      changed(llama3, "bos_token", "''"),
      changed(llama3, "<|end_header_id|>\n\n'", "<|end_header_id|>\n'"),
      changed(kQwen3, "enable_thinking is false", "enable_thinking is true"),
  };
  for (const std::string& jinja : others) {
    CAPTURE(jinja);
    CHECK(error_of([&] { recognize_chat_template(jinja, "<s>", "x/y"); }) ==
          "[load_chat_template] expected a chat template of a known family (chatml, qwen3, llama3, llama3.1, llama3.2) "
          "but got another in x/y");
  }
  CHECK(holds(error_of([&] { recognize_chat_template(llama3, "", "x/y"); }), "'bos_token'"));
}

TEST_CASE("a checkpoint's template comes from chat_template.jinja or tokenizer_config.json") {
  const Json& texts = reference().at("short");
  const ScratchFolder folder;
  const auto config = [&](const Json& json) { put(folder / "tokenizer_config.json", json.dump()); };
  config({{"chat_template", texts["llama3"]}, {"bos_token", {{"content", "<b>"}}}});
  CHECK(load_chat_template(folder.path()).begin == "<b>");
  config({{"chat_template",
           {{{"name", "tool_use"}, {"template", "?"}}, {{"name", "default"}, {"template", texts["qwen2"]}}}}});
  CHECK(load_chat_template(folder.path()).name == "qwen2");
  config({{"bos_token", nullptr}});
  CHECK(holds(error_of([&] { load_chat_template(folder.path()); }),
              "[load_chat_template] expected 'chat_template' to be a template"));
  config({{"chat_template", {{{"name", "rag"}, {"template", "?"}}}}});
  CHECK(holds(error_of([&] { load_chat_template(folder.path()); }), "\"default\""));
  put(folder / "chat_template.jinja", texts["chatml"].get<std::string>());
  CHECK(load_chat_template(folder.path()).name == "chatml");
}

TEST_CASE("a conversation or name that no template can mean: error says which") {
  const ChatTemplate& chat = chat_template("qwen2");
  CHECK(error_of([&] { render_chat(chat, {}); }) == "[chat] expected at least one message but got none");
  const std::vector<ChatMessage> tool = {{"user", "q"}, {"tool", "7"}};
  CHECK(error_of([&] { render_chat(chat, tool); }) ==
        "[chat] expected the role system, user or assistant but got 'tool' in message 1");
  CHECK(error_of([&] { chat_template("gemma"); }) ==
        "[chat] expected a chat template (chatml, qwen2, qwen2.5, qwen3, llama3, llama3.1, llama3.2) but got 'gemma'");
}
