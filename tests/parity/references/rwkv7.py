"""RWKV-7 [arXiv:2503.14456], the recurrence written out over time; tensor names and config fields are those of the fla checkpoints.

    S_t = S_{t-1} (diag(w_t) - k^_t (a_t . k^_t)^T) + v_t k_t^T      per head, S: value x key, S_{-1} = 0
    y_t = S_t r_t
"""
import torch
from torch import nn
from torch.nn import functional as F


def last_minus_this(x):
    """x_{t-1} - x_t, with x_{-1} = 0. [B, T, D]"""
    return F.pad(x, (0, 0, 1, -1)) - x


class LowRank(nn.Module):
    """lora.2(activation(lora.0(x))); the activation has no weights."""

    def __init__(self, hidden, rank, out, activation, bias=True):
        super().__init__()
        self.lora = nn.Sequential(nn.Linear(hidden, rank, bias=False), activation, nn.Linear(rank, out, bias=bias))

    def forward(self, x):
        return self.lora(x)


class TimeMix(nn.Module):
    def __init__(self, hidden, size, ranks, eps, first):
        """`ranks` by LoRA, w a v g; `eps` is the model's norm_eps; the `first` layer's values are every later layer's v_first."""
        super().__init__()
        self.size, self.first = size, first
        for name in "rwkvag":
            setattr(self, f"x_{name}", nn.Parameter(torch.zeros(1, 1, hidden)))
        self.k_k, self.k_a = nn.Parameter(torch.zeros(hidden)), nn.Parameter(torch.zeros(hidden))
        self.r_k = nn.Parameter(torch.zeros(hidden // size, size))
        for name in ("r_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nn.Linear(hidden, hidden, bias=False))
        self.w_lora = LowRank(hidden, ranks["w"], hidden, nn.Tanh())
        if not first:
            self.v_lora = LowRank(hidden, ranks["v"], hidden, nn.Identity())
        self.a_lora = LowRank(hidden, ranks["a"], hidden, nn.Identity())
        self.g_lora = LowRank(hidden, ranks["g"], hidden, nn.Sigmoid(), bias=False)
        self.g_norm = nn.GroupNorm(hidden // size, hidden, eps=size * eps)

    def forward(self, x, v_first):
        delta = last_minus_this(x)
        xr, xw, xk, xv, xa, xg = (x + delta * getattr(self, f"x_{name}") for name in "rwkvag")
        r, k, v, g = self.r_proj(xr), self.k_proj(xk), self.v_proj(xv), self.g_lora(xg)
        decay = torch.exp(-0.6065306597126334 * self.w_lora(xw).sigmoid())  # e^-0.5
        if self.first:
            v_first = v
        else:
            v = v + (v_first - v) * self.v_lora(xv).sigmoid()
        a = self.a_lora(xa).sigmoid()  # learning rate in context
        heads = lambda t: t.unflatten(-1, (-1, self.size))
        removed = F.normalize(heads(k * self.k_k), dim=-1)  # k^
        k = k * (1 + (a - 1) * self.k_a)
        r, decay, k, v, a = map(heads, (r, decay, k, v, a))

        state, out = torch.zeros_like(torch.einsum("bhv,bhk->bhvk", v[:, 0], k[:, 0])), []
        for t in range(x.shape[1]):
            found = torch.einsum("bhvk,bhk->bhv", state, removed[:, t])
            state = (state * decay[:, t, :, None] - torch.einsum("bhv,bhk->bhvk", found, removed[:, t] * a[:, t])
                     + torch.einsum("bhv,bhk->bhvk", v[:, t], k[:, t]))
            out.append(torch.einsum("bhvk,bhk->bhv", state, r[:, t]))
        out = torch.stack(out, 1).flatten(2)
        out = self.g_norm(out.flatten(0, 1)).view_as(out)  # per token and head
        bonus = (r * k * self.r_k).sum(-1, keepdim=True) * v
        return self.o_proj((out + bonus.flatten(2)) * g), v_first


class ChannelMix(nn.Module):
    def __init__(self, hidden, inner):
        super().__init__()
        self.x_k = nn.Parameter(torch.zeros(hidden))
        self.key, self.value = nn.Linear(hidden, inner, bias=False), nn.Linear(inner, hidden, bias=False)

    def forward(self, x):
        return self.value(self.key(x + last_minus_this(x) * self.x_k).relu().square())


class Block(nn.Module):
    def __init__(self, c, n):
        super().__init__()
        hidden = c["hidden_size"]
        norm = lambda: nn.LayerNorm(hidden, eps=c["norm_eps"])
        if n == 0:
            self.pre_norm = norm()  # of the embeddings; thoughts pass it too
        self.attn_norm, self.ffn_norm = norm(), norm()
        ranks = {"w": c["decay_low_rank_dim"], "a": c["a_low_rank_dim"], "v": c["v_low_rank_dim"], "g": c["gate_low_rank_dim"]}
        self.attn = TimeMix(hidden, c["head_dim"], ranks, c["norm_eps"], n == 0)
        self.ffn = ChannelMix(hidden, c["intermediate_size"])

    def forward(self, x, v_first):
        if hasattr(self, "pre_norm"):
            x = self.pre_norm(x)
        mixed, v_first = self.attn(self.attn_norm(x), v_first)
        x = x + mixed
        return x + self.ffn(self.ffn_norm(x)), v_first


class Rwkv7(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.config = c
        self.model = nn.Module()
        self.model.embeddings = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.model.layers = nn.ModuleList(Block(c, n) for n in range(c["num_hidden_layers"]))
        self.model.norm = nn.LayerNorm(c["hidden_size"], eps=c["norm_eps"])
        self.lm_head = nn.Linear(c["hidden_size"], c["vocab_size"], bias=False)

    def embed(self, ids):
        return self.model.embeddings(ids)

    def hidden(self, inputs):
        x, v_first = inputs, None
        for layer in self.model.layers:
            x, v_first = layer(x, v_first)
        return self.model.norm(x)

    def logits(self, hidden):
        return self.lm_head(hidden)

    def extra(self, ids):
        return {}

    def tensors(self):
        return self.state_dict(keep_vars=True)
