"""The project's own family: Llama's names and blocks, with a mixer chosen layer by layer (config.json's `layer_types`).

full_attention      Llama's, `rotary_fraction` of each head rotated
sliding_attention   the same, a query sees the last `sliding_window` positions, its own included
rwkv7               RWKV-7's time mix (rwkv7.py); the first such layer gives the others v_first
log_linear          log-linear attention (log_linear.py)
"""
from torch import nn

from references.decoder import Attention, Decoder, Mlp, RmsNorm, head_size
from references.log_linear import LogLinearAttention
from references.rwkv7 import TimeMix


class Layer(nn.Module):
    def __init__(self, c, n):
        super().__init__()
        kind = c["layer_types"][n]
        self.input_layernorm = RmsNorm(c["hidden_size"], c["rms_norm_eps"])
        if kind == "rwkv7":
            first = "rwkv7" not in c["layer_types"][:n]
            ranks = {name: c["rwkv7_low_rank"] for name in "wavg"}
            self.time_mix = TimeMix(c["hidden_size"], head_size(c), ranks, c["rms_norm_eps"], first)
        elif kind == "log_linear":
            self.self_attn = LogLinearAttention(c)
        else:
            self.self_attn = Attention(c, c["sliding_window"] if kind == "sliding_attention" else None, c["rotary_fraction"])
        self.post_attention_layernorm = RmsNorm(c["hidden_size"], c["rms_norm_eps"])
        self.mlp = Mlp(c)

    def forward(self, x, v_first):
        if hasattr(self, "time_mix"):
            mixed, v_first = self.time_mix(self.input_layernorm(x), v_first)
        else:
            mixed = self.self_attn(self.input_layernorm(x))
        x = x + mixed
        return x + self.mlp(self.post_attention_layernorm(x)), v_first


class Tacit(Decoder):
    def __init__(self, c):
        super().__init__(c, Layer)
        assert not c["smeared_keys"], "not written here"

    def embed(self, ids):
        return self.config["embedding_scale"] * self.model.embed_tokens(ids)

    def stack(self, x):
        v_first = None
        for layer in self.model.layers:
            x, v_first = layer(x, v_first)
        return x
