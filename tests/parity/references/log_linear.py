"""Log-linear attention [arXiv:2506.04761] as the direct sum over pairs of positions.

    o_t = sum_l lambda_t^(l) sum_{s in bucket l of t} exp(sum_{u = s+1..t} a_u) (q_t . k_s / sqrt(E)) v_s

Level 0 is the token itself. Level l >= 1 exists where bit l-1 of t is set, and holds 2^(l-1) positions: the binary expansion of t
cuts 0..t-1 into one bucket a set bit, the largest farthest left.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

from references.decoder import RmsNorm, head_size


def bucket(t, s):
    """The level at which position t sees position s <= t."""
    if s == t:
        return 0
    start = 0
    for level in range(t.bit_length(), 0, -1):
        size = 1 << (level - 1)
        if t & size:
            if s < start + size:
                return level
            start += size


class LogLinearAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        hidden, self.heads, self.size = c["hidden_size"], c["num_attention_heads"], head_size(c)
        self.levels_count = math.ceil(math.log2(c["max_position_embeddings"])) + 1
        for name in ("q_proj", "k_proj", "v_proj"):
            setattr(self, name, nn.Linear(hidden, self.heads * self.size, bias=False))
        self.o_proj = nn.Linear(self.heads * self.size, hidden, bias=False)
        self.decay = nn.Linear(hidden, self.heads)
        self.levels = nn.Linear(hidden, self.heads * self.levels_count)
        self.o_norm = RmsNorm(self.size, c["rms_norm_eps"])

    def forward(self, x):
        q, k, v = (proj(x).unflatten(-1, (self.heads, self.size)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        log_decay = -F.softplus(self.decay(x))                                                     # [B, T, H]
        weights = F.softplus(self.levels(x)).unflatten(-1, (self.heads, self.levels_count))        # [B, T, H, L]
        out = []
        for t in range(x.shape[1]):
            total = torch.zeros_like(v[:, 0])
            for s in range(t + 1):
                decayed = log_decay[:, s + 1:t + 1].sum(1).exp()
                score = (q[:, t] * k[:, s]).sum(-1) * self.size ** -0.5
                total = total + (weights[:, t, :, bucket(t, s)] * decayed * score)[..., None] * v[:, s]
            out.append(total)
        return self.o_proj(self.o_norm(torch.stack(out, 1)).flatten(2))
