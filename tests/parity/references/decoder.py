"""Llama's parts [arXiv:2302.13971], plain: what the other references are put together from. No cache, no masks but the causal one.

Shapes: B rows, T positions, D hidden, H heads, G key heads, E head size. `c` is config.json as a dict.
"""
import torch
from torch import nn
from torch.nn import functional as F


class RmsNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps)


def head_size(c):
    return c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]


def rotary_angles(positions, size, theta, dtype):
    """[T, size / 2]: position times frequency."""
    frequencies = theta ** (-torch.arange(0, size, 2, dtype=dtype) / size)
    return torch.outer(torch.arange(positions, dtype=dtype), frequencies)


def rotate_halves(x_BTHE, angles):
    """Turns the leading 2 * angles.shape[1] dimensions, i with i + size / 2; the rest passes."""
    size = 2 * angles.shape[-1]
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    a, b = x_BTHE[..., :size].chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin, x_BTHE[..., size:]], -1)


def attend(q_BTHE, k_BTGE, v_BTGE, window=None):
    """Causal softmax attention; a query sees the last `window` positions, its own included. -> [B, T, H * E]"""
    positions = q_BTHE.shape[1]
    repeat = q_BTHE.shape[2] // k_BTGE.shape[2]
    k, v = k_BTGE.repeat_interleave(repeat, 2), v_BTGE.repeat_interleave(repeat, 2)
    scores = torch.einsum("bthe,bshe->bhts", q_BTHE, k) * q_BTHE.shape[-1] ** -0.5
    distance = torch.arange(positions)[:, None] - torch.arange(positions)
    seen = (distance >= 0) & (distance < (window or positions))
    weights = scores.masked_fill(~seen, float("-inf")).softmax(-1)
    return torch.einsum("bhts,bshe->bthe", weights, v).flatten(2)


class Attention(nn.Module):
    def __init__(self, c, window=None, rotary_fraction=1.0):
        super().__init__()
        hidden, heads, size = c["hidden_size"], c["num_attention_heads"], head_size(c)
        self.size, self.window, self.theta = size, window, c["rope_theta"]
        self.rotated = int(rotary_fraction * size) // 2 * 2
        self.q_proj = nn.Linear(hidden, heads * size, bias=False)
        self.k_proj = nn.Linear(hidden, c["num_key_value_heads"] * size, bias=False)
        self.v_proj = nn.Linear(hidden, c["num_key_value_heads"] * size, bias=False)
        self.o_proj = nn.Linear(heads * size, hidden, bias=False)

    def forward(self, x):
        q, k, v = (proj(x).unflatten(-1, (-1, self.size)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        angles = rotary_angles(x.shape[1], self.rotated, self.theta, x.dtype)
        return self.o_proj(attend(rotate_halves(q, angles), rotate_halves(k, angles), v, self.window))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.up_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.down_proj = nn.Linear(c["intermediate_size"], c["hidden_size"], bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm = RmsNorm(c["hidden_size"], c["rms_norm_eps"])
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RmsNorm(c["hidden_size"], c["rms_norm_eps"])
        self.mlp = Mlp(c)

    def forward(self, x):
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """What every reference offers: tokens -> inputs -> hidden states after the final norm -> logits."""

    def __init__(self, c, layer=lambda c, n: Layer(c)):
        super().__init__()
        self.config = c
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.model.layers = nn.ModuleList(layer(c, n) for n in range(c["num_hidden_layers"]))
        self.model.norm = RmsNorm(c["hidden_size"], c["rms_norm_eps"])
        self.lm_head = nn.Linear(c["hidden_size"], c["vocab_size"], bias=False)
        if c["tie_word_embeddings"]:
            self.lm_head.weight = self.model.embed_tokens.weight

    def embed(self, ids):
        return self.model.embed_tokens(ids)

    def stack(self, x):
        for layer in self.model.layers:
            x = layer(x)
        return x

    def hidden(self, inputs):
        return self.model.norm(self.stack(inputs))

    def logits(self, hidden):
        return self.lm_head(hidden)

    def extra(self, ids):
        """What a family's expected.json holds besides."""
        return {}

    def tensors(self):
        return self.state_dict(keep_vars=True)
