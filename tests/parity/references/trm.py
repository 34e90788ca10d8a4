"""Tiny Recursive Model [arXiv:2510.04871], its attention variant: two states, the answer zH and the latent zL, refined by one small
stack that sees all positions at once. Tensor names are the original's without "inner.".

One outer step: H_cycles times (L_cycles times zL <- stack(zL + zH + input), then zH <- stack(zH + zL)); only the last H cycle
carries gradient. Outer steps chain the states without gradient.
"""
import torch
from torch import nn
from torch.nn import functional as F

from references.decoder import rotary_angles, rotate_halves


def rms(x, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.theta = c["num_heads"], c["rope_theta"]
        self.qkv_proj = nn.Linear(c["hidden_size"], 3 * c["hidden_size"], bias=False)
        self.o_proj = nn.Linear(c["hidden_size"], c["hidden_size"], bias=False)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)) for part in self.qkv_proj(x).chunk(3, -1))
        angles = rotary_angles(x.shape[1], q.shape[-1], self.theta, x.dtype)
        q, k = rotate_halves(q, angles), rotate_halves(k, angles)
        weights = (torch.einsum("bthe,bshe->bhts", q, k) * q.shape[-1] ** -0.5).softmax(-1)
        return self.o_proj(torch.einsum("bhts,bshe->bthe", weights, v).flatten(2))


class SwiGlu(nn.Module):
    def __init__(self, c):
        super().__init__()
        inner = -(round(c["expansion"] * c["hidden_size"] * 2 / 3) // -256) * 256
        self.gate_up_proj = nn.Linear(c["hidden_size"], 2 * inner, bias=False)
        self.down_proj = nn.Linear(inner, c["hidden_size"], bias=False)

    def forward(self, x):
        gate, up = self.gate_up_proj(x).chunk(2, -1)
        return self.down_proj(F.silu(gate) * up)


class Block(nn.Module):
    """Norms after the sums, without weights."""

    def __init__(self, c):
        super().__init__()
        self.self_attn, self.mlp, self.eps = Attention(c), SwiGlu(c), c["rms_norm_eps"]

    def forward(self, x):
        x = rms(x + self.self_attn(x), self.eps)
        return rms(x + self.mlp(x), self.eps)


class Trm(nn.Module):
    def __init__(self, c):
        super().__init__()
        hidden = c["hidden_size"]
        self.config = c
        self.embed_tokens = nn.Module()
        self.embed_tokens.embedding_weight = nn.Parameter(torch.zeros(c["vocab_size"], hidden))
        self.lm_head = nn.Linear(hidden, c["vocab_size"], bias=False)
        self.q_head = nn.Linear(hidden, 2)
        self.L_level = nn.Module()
        self.L_level.layers = nn.ModuleList(Block(c) for _ in range(c["L_layers"]))
        # Fixed in the original too: buffers, here parameters so that they are perturbed like the rest.
        self.H_init, self.L_init = nn.Parameter(torch.zeros(hidden)), nn.Parameter(torch.zeros(hidden))
        self.puzzle_len = c["puzzle_emb_len"] or -(c["puzzle_emb_ndim"] // -hidden)
        if c["puzzle_emb_ndim"] > 0:
            self.puzzle_emb = nn.Module()
            self.puzzle_emb.weights = nn.Parameter(torch.zeros(c["num_puzzle_identifiers"], c["puzzle_emb_ndim"]))

    def inputs(self, ids, puzzle=0):
        """sqrt(D) * [puzzle embedding, padded with zeros and cut into positions; token embeddings]"""
        x = self.embed_tokens.embedding_weight[ids]
        if self.config["puzzle_emb_ndim"] > 0:
            hidden = self.config["hidden_size"]
            vector = self.puzzle_emb.weights[puzzle]
            vector = F.pad(vector, (0, self.puzzle_len * hidden - len(vector)))
            x = torch.cat([vector.view(1, self.puzzle_len, hidden), x], 1)
        return self.config["hidden_size"] ** 0.5 * x

    def initial(self, inputs):
        return self.H_init.expand_as(inputs), self.L_init.expand_as(inputs)

    def stack(self, x):
        for layer in self.L_level.layers:
            x = layer(x)
        return x

    def step(self, state, inputs):
        high, low = state
        for cycle in range(self.config["H_cycles"]):
            with torch.set_grad_enabled(torch.is_grad_enabled() and cycle == self.config["H_cycles"] - 1):
                for _ in range(self.config["L_cycles"]):
                    low = self.stack(low + high + inputs)
                high = self.stack(high + low)
        return high, low

    def logits(self, state):
        return self.lm_head(state[0])[:, self.puzzle_len:]

    def halt(self, state):
        """The halting logit, read from the first position: the puzzle's where there is one."""
        return self.q_head(state[0][:, 0])[:, 0]

    def tensors(self):
        return self.state_dict(keep_vars=True)
