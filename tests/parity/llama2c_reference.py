#!/usr/bin/env python3
"""llama2.c's forward pass (github.com/karpathy/llama2.c, run.c) in numpy, written from run.c and nothing else.

  llama2c_reference.py logits CHECKPOINT.bin > fixtures/llama2c_stories260K.json   logits after a few token prefixes
  llama2c_reference.py greedy CHECKPOINT.bin TOKENIZER.bin [STEPS]                 text of a greedy continuation of BOS
"""

import json
import struct
import sys

import numpy as np

BOS = 1
STRIDE = 4  # every fourth logit is stored, to keep the fixture small
PREFIXES = [[1], [1, 403], [1, 403, 407, 261, 378], list(range(1, 512, 17))]


def read_checkpoint(path):
    with open(path, "rb") as file:
        dim, hidden, layers, heads, kv_heads, vocab, positions = struct.unpack("<7i", file.read(28))
        shared = vocab > 0
        vocab = abs(vocab)
        head = dim // heads
        kv = kv_heads * head

        def tensor(*shape):
            count = int(np.prod(shape))
            return np.frombuffer(file.read(4 * count), dtype="<f4", count=count).reshape(shape).astype(np.float64)

        w = {"embedding": tensor(vocab, dim), "rms_att": tensor(layers, dim)}
        w["wq"], w["wk"], w["wv"] = tensor(layers, dim, dim), tensor(layers, kv, dim), tensor(layers, kv, dim)
        w["wo"], w["rms_ffn"] = tensor(layers, dim, dim), tensor(layers, dim)
        w["w1"], w["w2"], w["w3"] = tensor(layers, hidden, dim), tensor(layers, dim, hidden), tensor(layers, hidden, dim)
        w["rms_final"] = tensor(dim)
        tensor(positions, head // 2), tensor(positions, head // 2)  # rotary tables, which run.c computes itself
        w["classifier"] = w["embedding"] if shared else tensor(vocab, dim)
        assert not file.read(1), "bytes after the last tensor"
    return {"layers": layers, "heads": heads, "kv_heads": kv_heads, "head": head, "w": w}


def rms_norm(x, weight):
    return weight * x / np.sqrt(np.mean(x * x) + 1e-5)


def rotate(x, position, head):
    """Neighbouring pairs (x[2i], x[2i+1]) turn by position * 10000^(-2i/head)."""
    pairs = x.reshape(-1, head // 2, 2)
    angle = position * 10000.0 ** (-np.arange(0, head, 2) / head)
    cos, sin = np.cos(angle), np.sin(angle)
    out = np.stack([pairs[..., 0] * cos - pairs[..., 1] * sin, pairs[..., 0] * sin + pairs[..., 1] * cos], axis=-1)
    return out.reshape(-1, head)


class Model:
    def __init__(self, path):
        self.c = read_checkpoint(path)
        self.keys = [[] for _ in range(self.c["layers"])]
        self.values = [[] for _ in range(self.c["layers"])]

    def forward(self, token):
        c, w = self.c, self.c["w"]
        position = len(self.keys[0])
        x = w["embedding"][token]
        for layer in range(c["layers"]):
            y = rms_norm(x, w["rms_att"][layer])
            q = rotate(w["wq"][layer] @ y, position, c["head"])
            self.keys[layer].append(rotate(w["wk"][layer] @ y, position, c["head"]))
            self.values[layer].append((w["wv"][layer] @ y).reshape(c["kv_heads"], c["head"]))
            group = c["heads"] // c["kv_heads"]
            found = []
            for h in range(c["heads"]):
                k = np.stack([key[h // group] for key in self.keys[layer]])
                v = np.stack([value[h // group] for value in self.values[layer]])
                score = k @ q[h] / np.sqrt(c["head"])
                share = np.exp(score - score.max())
                found.append((share / share.sum()) @ v)
            x = x + w["wo"][layer] @ np.concatenate(found)
            y = rms_norm(x, w["rms_ffn"][layer])
            gate = w["w1"][layer] @ y
            x = x + w["w2"][layer] @ (gate / (1 + np.exp(-gate)) * (w["w3"][layer] @ y))
        return w["classifier"] @ rms_norm(x, w["rms_final"])


def read_tokenizer(path, vocab):
    with open(path, "rb") as file:
        file.read(4)
        pieces = []
        for _ in range(vocab):
            _, length = struct.unpack("<fi", file.read(8))
            pieces.append(file.read(length))
    return pieces


def decode(pieces, previous, token):
    piece = pieces[token]
    if previous == BOS and piece.startswith(b" "):
        piece = piece[1:]
    if len(piece) == 6 and piece.startswith(b"<0x") and piece.endswith(b">"):
        piece = bytes([int(piece[3:5], 16)])
    return piece


def greedy(checkpoint, tokenizer, steps):
    model = Model(checkpoint)
    pieces = read_tokenizer(tokenizer, model.c["w"]["embedding"].shape[0])
    token, ids, text = BOS, [BOS], b""
    for _ in range(steps):
        following = int(np.argmax(model.forward(token)))
        if following == BOS:
            break
        text += decode(pieces, token, following)
        token = following
        ids.append(token)
    return ids, text


def logits(checkpoint):
    cases = []
    for prefix in PREFIXES:
        model = Model(checkpoint)
        for token in prefix:
            last = model.forward(token)
        cases.append({"tokens": prefix, "logits": [round(float(v), 6) for v in last[::STRIDE]]})
    return {"checkpoint": "stories260K.bin", "stride": STRIDE, "cases": cases}


def main():
    if sys.argv[1] == "logits":
        json.dump(logits(sys.argv[2]), sys.stdout, separators=(",", ":"))
        print()
    else:
        ids, text = greedy(sys.argv[2], sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 200)
        print(ids, file=sys.stderr)
        sys.stdout.buffer.write(text)


if __name__ == "__main__":
    main()
