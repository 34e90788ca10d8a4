"""Huginn [arXiv:2502.05171]: prelude, then a core that runs `mean_recurrence` times on a state, each time with the prelude's output
injected through the adapter, then coda. The same final norm follows the core and the coda. Tensor names are those of huginn-0125.

The original draws the initial state; here it is zero (config.json: "state_init": "zero")."""
import torch
from torch import nn
from torch.nn import functional as F

from references.decoder import RmsNorm, attend, rotary_angles


def rotate_pairs(x_BTHE, angles):
    """Turns dimension 2i with 2i + 1."""
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    a, b = x_BTHE[..., 0::2], x_BTHE[..., 1::2]
    return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.size, self.theta = c["n_heads"], c["n_embd"] // c["n_heads"], c["rope_base"]
        self.Wqkv = nn.Linear(c["n_embd"], 3 * c["n_embd"], bias=False)
        self.qk_bias = nn.Parameter(torch.zeros(2, 1, self.heads, self.size))
        self.proj = nn.Linear(c["n_embd"], c["n_embd"], bias=False)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, self.size)) for part in self.Wqkv(x).chunk(3, -1))
        q, k = q + self.qk_bias[0], k + self.qk_bias[1]  # before the rotation
        angles = rotary_angles(x.shape[1], self.size, self.theta, x.dtype)
        return self.proj(attend(rotate_pairs(q, angles), rotate_pairs(k, angles), v))


class GatedMlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc = nn.Linear(c["n_embd"], 2 * c["intermediate_size"], bias=False)
        self.proj = nn.Linear(c["intermediate_size"], c["n_embd"], bias=False)

    def forward(self, x):
        gate, up = self.fc(x).chunk(2, -1)
        return self.proj(F.silu(gate) * up)


class SandwichBlock(nn.Module):
    """Norms before each part and after each sum: the residual stream itself is normalised."""

    def __init__(self, c):
        super().__init__()
        self.attn, self.mlp = Attention(c), GatedMlp(c)
        for i in range(1, 5):
            setattr(self, f"norm_{i}", RmsNorm(c["n_embd"], c["norm_eps"]))

    def forward(self, x):
        x = self.norm_2(self.attn(self.norm_1(x)) + x)
        return self.norm_4(self.mlp(self.norm_3(x)) + x)


class Huginn(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.config = c
        blocks = lambda count: nn.ModuleList(SandwichBlock(c) for _ in range(count))
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(c["padded_vocab_size"], c["n_embd"]),
            "prelude": blocks(c["n_layers_in_prelude"]),
            "adapter": nn.Linear(2 * c["n_embd"], c["n_embd"], bias=c["bias"]),
            "core_block": blocks(c["n_layers_in_recurrent_block"]),
            "coda": blocks(c["n_layers_in_coda"]),
            "ln_f": RmsNorm(c["n_embd"], c["norm_eps"]),
        })
        self.lm_head = nn.Linear(c["n_embd"], c["padded_vocab_size"], bias=False)
        self.lm_head.weight = self.transformer["wte"].weight

    def embed(self, ids):
        return self.transformer["wte"](ids) * self.config["n_embd"] ** 0.5

    def hidden(self, inputs, recurrences=None):
        t = self.transformer
        injected = inputs
        for block in t["prelude"]:
            injected = block(injected)
        state = torch.zeros_like(injected)
        for _ in range(recurrences or self.config["mean_recurrence"]):
            state = t["adapter"](torch.cat([state, injected], -1))
            for block in t["core_block"]:
                state = block(state)
        x = t["ln_f"](state)
        for block in t["coda"]:
            x = block(x)
        return t["ln_f"](x)

    def logits(self, hidden):
        return self.lm_head(hidden)

    def extra(self, ids):
        """The last position's hidden state by number of recurrences."""
        return {"thoughts_depth": {str(r): self.hidden(self.embed(ids), r)[0, -1].tolist() for r in (1, 2, 4, 5)}}

    def tensors(self):
        return self.state_dict(keep_vars=True)
