#!/usr/bin/env python3
"""What transformers' warpers leave of a distribution, and what its beam search finds, for tests/decoding.

    python3 -m venv venv && venv/bin/pip install torch==2.11.0 transformers==5.3.0
    OMP_NUM_THREADS=1 venv/bin/python tests/parity/decoding_reference.py tests/parity/fixtures

Reads the tiny checkpoints in that folder and writes decoding.json there. Warpers: logits, settings, and the probabilities
after them, 0 where cut; in the order in which generate() applies them. Beams: for a prompt, a number of beams, a length
penalty and a stop token or several, all returned sequences without prompt and padding, with their scores.
"""
import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM
from transformers.generation import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper


def warpers():
    torch.manual_seed(0)
    settings = [dict(temperature=0.7), dict(top_k=3), dict(top_k=40), dict(top_p=0.6), dict(top_p=0.01), dict(min_p=0.2), dict(min_p=1.0),
                dict(temperature=0.5, top_k=8, top_p=0.9), dict(temperature=1.5, top_k=12, top_p=0.8, min_p=0.1),
                dict(temperature=2.5, top_p=0.95, min_p=0.3), dict(temperature=0.3, top_k=5, min_p=0.05)]
    for given in settings:
        logits = 2 * torch.randn(2, 24)
        logits[1, 7] = logits[1, 3]  # equal tokens
        scores = logits
        if "temperature" in given:
            scores = TemperatureLogitsWarper(given["temperature"])(None, scores)
        if "top_k" in given:
            scores = TopKLogitsWarper(given["top_k"])(None, scores)
        if "top_p" in given:
            scores = TopPLogitsWarper(given["top_p"])(None, scores)
        if "min_p" in given:
            scores = MinPLogitsWarper(given["min_p"])(None, scores)
        yield given | {"logits": logits.tolist(), "probabilities": scores.softmax(-1).tolist()}


def beams(folder):
    for name in ["gpt2", "llama"]:
        model = AutoModelForCausalLM.from_pretrained(folder / name, dtype=torch.float32).eval()
        for prompt, width, penalty, place, most in [([3, 17, 4], 1, 1.0, 3, 6), ([3, 17, 4], 4, 1.0, 1, 6), ([9, 2, 2, 11], 3, 0.0, 2, 8),
                                                    ([9, 2, 2, 11], 5, 2.0, 2, 8), ([1], 4, -1.0, 0, 7), ([20, 6], 6, 1.0, None, 5),
                                                    ([7, 7, 7, 7], 2, 0.5, 3, 10), ([15, 0], 8, 1.0, 1, 4), ([12], 3, 1.0, 4, 12),
                                                    ([12, 5], 2, 0.0, 1, 12), ([3, 17, 4], 3, 2.0, "first", 6),
                                                    ([9, 2, 2, 11], 2, 3.0, "first", 8), ([20, 6], 4, 2.0, "first", 6)]:
            ids = torch.tensor([prompt])

            def generate(stop):
                return model.generate(ids, attention_mask=torch.ones_like(ids), num_beams=width, num_return_sequences=width,
                                      max_new_tokens=most, length_penalty=penalty, do_sample=False, early_stopping=False, bos_token_id=None,
                                      eos_token_id=stop, pad_token_id=22, return_dict_in_generate=True, output_scores=True)

            # A token that beams do come to: one of the best beam where none ends.
            if place == "first":  # so many that twice the width would not hold enough that go on
                stop = model(ids).logits[0, -1].topk(2 * width).indices[1:].tolist()
            else:
                stop = None if place is None else generate(None).sequences[0][len(prompt) + place].item()
            out = generate(stop)
            if width == 1:  # greedy: transformers gives no score
                found = [{"tokens": cut(out.sequences[0][len(prompt):].tolist(), stop)}]
            else:
                found = [{"tokens": cut(s[len(prompt):].tolist(), stop), "score": score.item()}
                         for s, score in zip(out.sequences, out.sequences_scores)]
            yield {"model": name, "prompt": prompt, "width": width, "length_penalty": penalty, "stop": stop, "max_tokens": most,
                   "beams": found}


def cut(tokens, stop):
    """Without the stop token and what pads behind it."""
    stops = stop if isinstance(stop, list) else [stop]
    return tokens[:min([tokens.index(s) for s in stops if s in tokens], default=len(tokens))]


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1])
    with torch.no_grad():
        found = {"warpers": list(warpers()), "beams": list(beams(target))}
    (target / "decoding.json").write_text(json.dumps(found) + "\n")
