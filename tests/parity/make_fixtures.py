#!/usr/bin/env python3
"""Tiny random checkpoints with the outputs of Hugging Face transformers, for tests/latent/parity_test.cpp.

    python3 -m venv venv && venv/bin/pip install torch==2.11.0 transformers==5.3.0
    venv/bin/python tests/parity/make_fixtures.py tests/parity/fixtures

Weights are large and norms perturbed, so that an error in any part shows in the outputs. Each expected.json holds, for one
prompt: logits at every position, four thoughts (the hidden state after the final norm, fed back as inputs_embeds), the logits
after them, and a greedy continuation of the prompt; and gradients' sums of a loss over the prompt, one number a tensor.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import (GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM,
                          Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

PROMPT = [3, 17, 4, 4, 20, 11, 0, 7]


def configs():
    yield "gpt2", GPT2LMHeadModel, GPT2Config(vocab_size=23, n_embd=16, n_layer=2, n_head=2, n_positions=32)
    base = dict(vocab_size=23, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
                num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5)
    yield "llama", LlamaForCausalLM, LlamaConfig(**base, tie_word_embeddings=False, attention_bias=True, mlp_bias=True)
    scaled = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 16}
    yield "llama_scaled", LlamaForCausalLM, LlamaConfig(**base, head_dim=6, tie_word_embeddings=True, rope_parameters=scaled)
    neox = dict(vocab_size=23, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64,
                rotary_pct=0.5)
    half = {"rope_type": "default", "rope_theta": 300.0}
    yield "gpt_neox", GPTNeoXForCausalLM, GPTNeoXConfig(**neox, rope_parameters=half)
    yield "gpt_neox_serial", GPTNeoXForCausalLM, GPTNeoXConfig(**neox, rope_parameters=half, use_parallel_residual=False,
                                                               attention_bias=False, tie_word_embeddings=True)
    yield "qwen2", Qwen2ForCausalLM, Qwen2Config(**base, tie_word_embeddings=True)
    yarn = {"rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0, "original_max_position_embeddings": 16}
    yield "qwen3", Qwen3ForCausalLM, Qwen3Config(**base, head_dim=8, tie_word_embeddings=False, rope_parameters=yarn)


def perturb(model):
    with torch.no_grad():
        for name, weight in model.named_parameters():
            norm = "norm" in name or "ln_" in name
            weight.copy_((1.0 if norm and name.endswith("weight") else 0.0) + 0.35 * torch.randn_like(weight))


def expected(model):
    ids = torch.tensor([PROMPT])
    out = {"prompt": PROMPT}
    model.zero_grad()
    result = model(ids, labels=ids)
    result.loss.backward()
    out["loss"] = result.loss.item()
    out["gradients"] = {n: [p.grad.abs().sum().item(), p.grad.flatten()[0].item()] for n, p in model.named_parameters()}
    with torch.no_grad():
        out["logits"] = model(ids).logits[0].tolist()
        embeds = model.get_input_embeddings()(ids)
        thoughts = []
        for _ in range(4):
            thought = model.base_model(inputs_embeds=embeds).last_hidden_state[:, -1:]
            thoughts.append(thought[0, 0].tolist())
            embeds = torch.cat([embeds, thought], 1)
        out["thoughts"] = thoughts
        out["logits_after"] = model(inputs_embeds=embeds).logits[0, -1].tolist()
        tokens = list(PROMPT)
        for _ in range(12):
            tokens.append(model(torch.tensor([tokens])).logits[0, -1].argmax().item())
        out["greedy"] = tokens[len(PROMPT):]
    return out


def main(folder):
    for seed, (name, cls, config) in enumerate(configs()):
        torch.manual_seed(seed)
        model = cls(config).eval()
        perturb(model)
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        tied = config.tie_word_embeddings
        weights = {n: p.detach().contiguous() for n, p in model.named_parameters() if not (tied and n == "lm_head.weight")}
        save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
        (target / "config.json").write_text(config.to_json_string(use_diff=False))
        (target / "expected.json").write_text(json.dumps(expected(model)) + "\n")


main(pathlib.Path(sys.argv[1]))
