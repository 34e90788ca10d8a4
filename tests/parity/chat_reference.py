#!/usr/bin/env python3
"""Conversations as Hugging Face's apply_chat_template writes them, for tests/lib/tokenizer_chat_test.cpp.

    python3 -m venv venv && venv/bin/pip install transformers==5.24.0 jinja2==3.1.6
    venv/bin/python tests/parity/chat_reference.py TEMPLATES > tests/parity/fixtures/chat.json

TEMPLATES holds the chat_template of a checkpoint's tokenizer_config.json as NAME.jinja for the four names in FILES. The short
ones stand below.
"""
import hashlib
import json
import pathlib
import sys

from transformers.utils.chat_template_utils import render_jinja_template

TURN = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
PROMPT = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
SHORT = {
    "chatml": "{% for message in messages %}" + TURN + "{% endfor %}" + PROMPT,
    # Qwen/Qwen2-7B-Instruct
    "qwen2": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
             "You are a helpful assistant.<|im_end|>\n' }}{% endif %}" + TURN + "{% endfor %}" + PROMPT,
    # meta-llama/Meta-Llama-3-8B-Instruct
    "llama3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] "
              "+ '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + "
              "content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
              "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
}
FILES = {"qwen2.5": "Qwen/Qwen2.5-7B-Instruct", "qwen3": "Qwen/Qwen3-0.6B", "llama3.1": "meta-llama/Llama-3.1-8B-Instruct",
         "llama3.2": "meta-llama/Llama-3.2-3B-Instruct"}


def say(*turns):
    return [{"role": role, "content": content} for role, content in turns]


CONVERSATIONS = [
    say(("user", "How many edges?")),
    say(("system", "Be brief."), ("user", "Hi")),
    say(("user", "1+1?"), ("assistant", "2"), ("user", "2+2?")),
    say(("system", "S"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")),
    say(("system", ""), ("user", "")),
    say(("system", " \n two  \t"), ("user", "\n\n x \n"), ("assistant", "\n y \n")),
    say(("user", "\u00a0\u3000\x1c\x1f\x85 kept \u200b\u180e\ufeff \x1d\u2028")),
    say(("user", "a"), ("system", "late"), ("user", "b")),
    say(("assistant", "first"), ("user", "q")),
    say(("assistant", "only <think>t</think>\n\nx")),
    say(("system", "only")),
    say(("user", "q"), ("assistant", "<think>\nwhy\n</think>\n\nbecause")),
    say(("user", "q"), ("assistant", "<think>\nwhy\n</think>\n\nbecause"), ("user", "r")),
    say(("user", "q"), ("assistant", "<think>\nwhy\n</think>\n\nbecause"), ("assistant", "more")),
    say(("user", "q"), ("assistant", "\nno thought"), ("assistant", "\n\nlast")),
    say(("user", "q"), ("assistant", "<think>\n\n</think>\n\nempty"), ("assistant", "<think>a</think>b<think>c\n</think>\n\nd")),
    say(("user", "q"), ("assistant", "</think>")),
    say(("user", "q"), ("assistant", "x<think>y")),
    say(("user", "q"), ("user", "<tool_response>\n7\n</tool_response>"), ("assistant", "<think>t</think>seven")),
    say(("user", "q"), ("assistant", "<think>t</think>a"), ("user", "<tool_response>7</tool_response>"), ("assistant", "b")),
    say(("user", "<tool_response>7</tool_response>"), ("assistant", "<think>t</think>b")),
    say(("user", "<|im_end|> <|eot_id|> {{ x }} {date} \\n 'quoted' \"q\""), ("assistant", "漢字 😀 e\u0301")),
]


def render(jinja, conversation, **options):
    texts, _ = render_jinja_template(conversations=[conversation], chat_template=jinja, bos_token="<|begin_of_text|>", **options)
    return texts[0]


def variants(name):
    yield {"add_generation_prompt": False}
    yield {"add_generation_prompt": True}
    if name == "qwen3":
        yield {"add_generation_prompt": True, "enable_thinking": False}
    if name == "llama3.2":
        yield {"add_generation_prompt": True, "date_string": "24 Nov 2025"}


def main():
    folder = pathlib.Path(sys.argv[1])
    jinja = {**SHORT, **{name: (folder / f"{name}.jinja").read_text() for name in FILES}}
    result = {"conversations": CONVERSATIONS, "short": SHORT,
              "files": {name: {"from": FILES[name], "sha256": hashlib.sha256(jinja[name].encode()).hexdigest()} for name in FILES},
              "cases": []}
    for name, text in jinja.items():
        for options in variants(name):
            defaults = {"date_string": "26 Jul 2024"} if name == "llama3.2" else {}
            texts = [render(text, conversation, **{**defaults, **options}) for conversation in CONVERSATIONS]
            result["cases"].append({"template": name, **options, "texts": texts})
    print(json.dumps(result, ensure_ascii=True, indent=1))


if __name__ == "__main__":
    main()
