"""Ouro [arXiv:2510.25741]: a stack with four norms a layer, run several times; the final norm follows every pass, its output is
the next pass's input, the exit gate's and, after the last pass, the head's. Each pass attends to its own keys and values."""
import torch
from torch import nn

from references.decoder import Attention, Decoder, Mlp, RmsNorm


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn, self.mlp = Attention(c), Mlp(c)
        for name in ("input_layernorm", "input_layernorm_2", "post_attention_layernorm", "post_attention_layernorm_2"):
            setattr(self, name, RmsNorm(c["hidden_size"], c["rms_norm_eps"]))

    def forward(self, x):
        x = x + self.input_layernorm_2(self.self_attn(self.input_layernorm(x)))
        return x + self.post_attention_layernorm_2(self.mlp(self.post_attention_layernorm(x)))


class Ouro(Decoder):
    def __init__(self, c):
        super().__init__(c, lambda c, n: Layer(c))
        self.model.early_exit_gate = nn.Linear(c["hidden_size"], 1)

    def passes(self, inputs):
        out, x = [], inputs
        for _ in range(self.config["total_ut_steps"]):
            x = self.model.norm(self.stack(x))
            out.append(x)
        return out

    def hidden(self, inputs):
        return self.passes(inputs)[-1]  # early_exit_threshold 1.0: no position leaves before the last pass

    def extra(self, ids):
        """p_t = lambda_t * prod_{j < t} (1 - lambda_j), and the last pass takes the rest. [T, passes]"""
        left, out = 1.0, []
        for x in self.passes(self.embed(ids))[:-1]:
            leave = self.model.early_exit_gate(x).sigmoid()[0, :, 0]
            out.append(left * leave)
            left = left * (1 - leave)
        return {"exit_probabilities": torch.stack([*out, left], -1).tolist()}
