#!/usr/bin/env python3
"""Tiny random checkpoints with the outputs of a reference, for tests/latent/parity_test.cpp.

    python3 -m venv venv && venv/bin/pip install torch==2.11.0 transformers==5.3.0
    OMP_NUM_THREADS=1 venv/bin/python tests/parity/make_fixtures.py tests/parity/fixtures [NAME...]

The reference is Hugging Face transformers where it has the family, else a plain one in references/, written from the paper.
Weights are large and norms perturbed, so that an error in any part shows in the outputs. Each expected.json holds, for one
prompt: logits at every position, four thoughts (the hidden state after the final norm, fed back as inputs_embeds), the logits
after them, and a greedy continuation of the prompt, all without a cache; and gradients' sums of a loss over the prompt, one
number a tensor. A tensor that no gradient reaches is in "no_gradient" instead.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from transformers import (DeepseekV3Config, DeepseekV3ForCausalLM, GPT2Config, GPT2LMHeadModel, GPTNeoXConfig,
                          GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM,
                          Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

from references.huginn import Huginn
from references.ouro import Ouro
from references.rwkv7 import Rwkv7
from references.tacit import Tacit
from references.trm import Trm
from references.universal import Universal

PROMPT = [3, 17, 4, 4, 20, 11, 0, 7]
LABELS = [5, 2, 22, 9, 9, 14, 1, 16]  # TRM's, position by position


def fixtures():
    """Yields name, seed, model class, config."""
    yield "gpt2", 0, GPT2LMHeadModel, GPT2Config(vocab_size=23, n_embd=16, n_layer=2, n_head=2, n_positions=32)
    base = dict(vocab_size=23, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
                num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5)
    yield "llama", 1, LlamaForCausalLM, LlamaConfig(**base, tie_word_embeddings=False, attention_bias=True, mlp_bias=True)
    scaled = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 16}
    yield "llama_scaled", 2, LlamaForCausalLM, LlamaConfig(**base, head_dim=6, tie_word_embeddings=True, rope_parameters=scaled)
    neox = dict(vocab_size=23, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64,
                rotary_pct=0.5)
    half = {"rope_type": "default", "rope_theta": 300.0}
    yield "gpt_neox", 3, GPTNeoXForCausalLM, GPTNeoXConfig(**neox, rope_parameters=half)
    yield "gpt_neox_serial", 4, GPTNeoXForCausalLM, GPTNeoXConfig(**neox, rope_parameters=half, use_parallel_residual=False,
                                                                  attention_bias=False, tie_word_embeddings=True)
    yield "qwen2", 5, Qwen2ForCausalLM, Qwen2Config(**base, tie_word_embeddings=True)
    yarn = {"rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0, "original_max_position_embeddings": 16}
    yield "qwen3", 6, Qwen3ForCausalLM, Qwen3Config(**base, head_dim=8, tie_word_embeddings=False, rope_parameters=yarn)
    yield "qwen2_window", 40, Qwen2ForCausalLM, Qwen2Config(**base, use_sliding_window=True, sliding_window=3, max_window_layers=1)
    # Seeds from here on: no near tie in the routing or the greedy text, and a chain that bf16 can follow.
    experts = dict(base, num_local_experts=4, num_experts_per_tok=2)
    yield "mixtral", 98, MixtralForCausalLM, MixtralConfig(**experts, sliding_window=None)
    yield "mixtral_window", 22, MixtralForCausalLM, MixtralConfig(**experts, sliding_window=3)
    mla = dict(vocab_size=23, hidden_size=16, intermediate_size=24, moe_intermediate_size=8, num_hidden_layers=3,
               num_attention_heads=2, num_key_value_heads=2, kv_lora_rank=10, qk_nope_head_dim=4, qk_rope_head_dim=8, v_head_dim=6,
               n_routed_experts=8, num_experts_per_tok=2, n_shared_experts=1, first_k_dense_replace=1, moe_layer_freq=1,
               scoring_func="sigmoid", topk_method="noaux_tc", rope_interleave=True, max_position_embeddings=256)
    # mscale unlike mscale_all_dim: their ratio scales the rotary part, mscale_all_dim squared the softmax.
    yarn = {"rope_type": "yarn", "rope_theta": 100.0, "factor": 4.0, "original_max_position_embeddings": 64, "beta_fast": 32.0,
            "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 0.7}
    yield "deepseek_v3", 52, DeepseekV3ForCausalLM, DeepseekV3Config(
        **mla, q_lora_rank=12, n_group=4, topk_group=2, norm_topk_prob=True, routed_scaling_factor=2.5, rope_parameters=yarn)
    # A large rms_norm_eps shows that the norms of the two low ranks keep their own, 1e-6.
    yield "deepseek_v3_plain", 45, DeepseekV3ForCausalLM, DeepseekV3Config(
        **mla, q_lora_rank=None, n_group=1, topk_group=1, norm_topk_prob=False, routed_scaling_factor=1.5, rms_norm_eps=1e-3)
    # Plain references take config.json as it is.
    plain = dict(base, hidden_act="silu", rope_theta=10000.0)
    yield "ouro", 19, Ouro, dict(plain, model_type="ouro", total_ut_steps=3, early_exit_threshold=1.0, tie_word_embeddings=False)
    yield "universal", 18, Universal, dict(plain, model_type="universal", base_model_type="llama", recurrences=3,
                                           tie_word_embeddings=False)
    yield "huginn", 192, Huginn, dict(
        model_type="huginn_raven", vocab_size=23, padded_vocab_size=23, n_embd=16, n_heads=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=8, intermediate_size=24, n_layers=4, n_layers_in_prelude=1, n_layers_in_recurrent_block=2,
        n_layers_in_coda=1, mean_recurrence=3, block_size=64, rope_base=50000, norm_eps=1e-6, bias=False, qk_bias=True,
        injection_type="linear", state_init="zero", block_class_name="SandwichBlock", norm_class_name="RMSNorm_llama",
        mlp_class_name="GatedMLP", nonlin_name="SiLU", tie_embeddings=True, tie_word_embeddings=True, test_time_noise=0)
    yield "rwkv7", 16, Rwkv7, dict(
        model_type="rwkv7", vocab_size=23, hidden_size=16, head_dim=8, num_heads=2, num_hidden_layers=3, intermediate_size=24,
        hidden_ratio=1.5, decay_low_rank_dim=4, a_low_rank_dim=3, v_low_rank_dim=2, gate_low_rank_dim=5, hidden_act="sqrelu",
        norm_eps=1e-5, norm_first=True, norm_bias=True, attn=None, attn_mode="chunk", fuse_norm=False, value_dim=[16, 16, 16],
        max_position_embeddings=64, tie_word_embeddings=False)
    tacit = dict(plain, model_type="tacit", rotary_fraction=0.5, embedding_scale=2.0, smeared_keys=False, tie_word_embeddings=False)
    yield "tacit_window", 4, Tacit, dict(tacit, layer_types=["full_attention", "sliding_attention"], sliding_window=3, head_dim=8)
    pair = dict(tacit, num_attention_heads=2, num_key_value_heads=2, head_dim=8)
    yield "tacit_rwkv7", 11, Tacit, dict(pair, num_hidden_layers=3, layer_types=["rwkv7", "full_attention", "rwkv7"],
                                         rwkv7_low_rank=4, tie_word_embeddings=True)
    yield "tacit_log_linear", 31, Tacit, dict(pair, layer_types=["log_linear", "full_attention"])
    trm = dict(model_type="trm", vocab_size=23, hidden_size=16, num_heads=2, expansion=4, H_cycles=2, L_cycles=2, L_layers=2,
               seq_len=8, pos_encodings="rope", rope_theta=10000.0, rms_norm_eps=1e-5, halt_max_steps=4, mlp_t=False,
               num_puzzle_identifiers=1)
    yield "trm", 18, Trm, dict(trm, puzzle_emb_len=0, puzzle_emb_ndim=0)
    # 20 numbers fill two positions of 16 with zeros at the end.
    yield "trm_puzzle", 19, Trm, dict(trm, puzzle_emb_len=2, puzzle_emb_ndim=20)


def classic_rope(rope):
    """The fields in which published checkpoints hold rope_parameters."""
    return {"rope_theta": rope["rope_theta"],
            "rope_scaling": {"type": rope["rope_type"]} | {k: v for k, v in rope.items() if k not in ("rope_theta", "rope_type")}}


class HuggingFace(torch.nn.Module):
    """transformers' model behind the interface of references/: tokens -> inputs -> hidden states -> logits."""

    def __init__(self, cls, config):
        super().__init__()
        self.inner = cls(config).eval()
        self.config = json.loads(config.to_json_string(use_diff=False))
        if config.model_type == "deepseek_v3" and "factor" in self.config["rope_parameters"]:
            self.config |= classic_rope(self.config.pop("rope_parameters"))

    def embed(self, ids):
        return self.inner.get_input_embeddings()(ids)

    def hidden(self, inputs):
        return self.inner.base_model(inputs_embeds=inputs, use_cache=False).last_hidden_state

    def logits(self, hidden):
        return self.inner.get_output_embeddings()(hidden)

    def extra(self, ids):
        return {}

    def tensors(self):
        return self.inner.state_dict(keep_vars=True)


def perturb(model):
    # TRM's nested loops are chaotic with larger weights: fp32 and fp64 part after two outer steps.
    scale = 0.15 if model.config["model_type"] == "trm" else 0.35
    with torch.no_grad():
        for name, weight in model.named_parameters():
            norm = "norm" in name or "ln_" in name
            weight.copy_((1.0 if norm and name.endswith("weight") else 0.0) + scale * torch.randn_like(weight))
        for name, buffer in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                buffer.copy_(scale * torch.randn_like(buffer))


def published(family, name, tensor):
    """A tensor of a module under the names of checkpoints: transformers 5 keeps all experts of a layer in one tensor."""
    names = {"mixtral": ["w1", "w3", "w2"], "deepseek_v3": ["gate_proj", "up_proj", "down_proj"]}
    if family == "mixtral":
        name = name.replace(".mlp.", ".block_sparse_moe.")
    if ".experts." not in name:
        return {name: tensor}
    stem, part = name.rsplit(".", 1)
    gate, up, down = names[family]
    out = {}
    for e, expert in enumerate(tensor):
        pieces = zip([gate, up], expert.chunk(2)) if part == "gate_up_proj" else [(down, expert)]
        out |= {f"{stem}.{e}.{piece}.weight": weight for piece, weight in pieces}
    return out


def tensors(model):
    """Published name -> (weight, gradient or None), tied ones once."""
    out, seen = {}, set()
    for name, weight in model.tensors().items():
        if id(weight) in seen:
            continue
        seen.add(id(weight))
        weights = published(model.config["model_type"], name, weight.detach())
        # An expert that no token chose has a gradient of zeros here: it is a slice of the layer's fused tensor.
        grads = published(model.config["model_type"], name, weight.grad) if weight.grad is not None else {}
        out |= {n: (w, grads.get(n)) for n, w in weights.items()}
    return out


def gradients(model):
    pairs = tensors(model)
    out = {"gradients": {n: [g.abs().sum().item(), g.flatten()[0].item()] for n, (_, g) in pairs.items() if g is not None}}
    missing = [n for n, (_, g) in pairs.items() if g is None]
    return out | ({"no_gradient": missing} if missing else {})


def expected(model):
    ids = torch.tensor([PROMPT])
    out = {"prompt": PROMPT}
    loss = cross_entropy(model.logits(model.hidden(model.embed(ids)))[0, :-1], ids[0, 1:])
    loss.backward()
    out["loss"] = loss.item()
    out |= gradients(model)
    with torch.no_grad():
        inputs = model.embed(ids)
        out["logits"] = model.logits(model.hidden(inputs))[0].tolist()
        thoughts = []
        for _ in range(4):
            thought = model.hidden(inputs)[:, -1:]
            thoughts.append(thought[0, 0].tolist())
            inputs = torch.cat([inputs, thought], 1)
        out["thoughts"] = thoughts
        out["logits_after"] = model.logits(model.hidden(inputs))[0, -1].tolist()
        tokens = list(PROMPT)
        for _ in range(12):
            tokens.append(model.logits(model.hidden(model.embed(torch.tensor([tokens]))))[0, -1].argmax().item())
        out["greedy"] = tokens[len(PROMPT):]
        out |= model.extra(ids)
    return out


def expected_puzzle(model):
    """TRM answers all positions at once: no next token, no greedy text. A thought is zH at the last position after an outer step."""
    ids = torch.tensor([PROMPT])
    inputs = model.inputs(ids)
    logits = model.logits(model.step(model.initial(inputs), inputs))[0]
    loss = cross_entropy(logits, torch.tensor(LABELS))
    loss.backward()
    out = {"prompt": PROMPT, "labels": LABELS, "loss": loss.item()} | gradients(model)
    out["logits"] = logits.tolist()
    out |= {"thoughts": [], "q_halt": []}
    with torch.no_grad():
        state = model.initial(inputs)
        for _ in range(4):
            state = model.step(state, inputs)
            out["thoughts"].append(state[0][0, -1].tolist())
            out["q_halt"].append(model.halt(state).item())
        out["logits_after"] = model.logits(state)[0, -1].tolist()
    return out


def write(target, model):
    target.mkdir(parents=True, exist_ok=True)
    weights = {n: w.contiguous() for n, (w, _) in tensors(model).items()}
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    (target / "config.json").write_text(json.dumps(model.config, indent=2, sort_keys=True) + "\n")
    outputs = expected_puzzle(model) if model.config["model_type"] == "trm" else expected(model)
    (target / "expected.json").write_text(json.dumps(outputs) + "\n")


def check_loads(target, cls, model):
    """transformers must read the written files as the same model. (5.3.0 loses GPT-NeoX's partial_rotary_factor.)"""
    if model.config["model_type"] == "gpt_neox":
        return
    ids = torch.tensor([PROMPT])
    with torch.no_grad():
        torch.testing.assert_close(cls.from_pretrained(target)(ids).logits, model.inner(ids).logits)


def main(folder, names):
    for name, seed, cls, config in fixtures():
        if names and name not in names:
            continue
        torch.manual_seed(seed)
        plain = isinstance(config, dict)
        model = cls(config) if plain else HuggingFace(cls, config)
        perturb(model)
        write(folder / name, model)
        if not plain:
            check_loads(folder / name, cls, model)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])
