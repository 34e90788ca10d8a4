#!/usr/bin/env python3
"""Ids of the reference tokenizers on more than 1 MB of mixed text, for tests/lib/tokenizer_mixed_test.cpp.

    python3 -m venv venv && venv/bin/pip install tokenizers==0.23.3 sentencepiece==0.2.1
    venv/bin/python tests/parity/tokenizer_reference.py ../shared/data/tokenizers tests/parity/fixtures/tokenizer

Reads mixed_text.json, which says what the text is made of. Writes bpe.json and byte_fallback_bpe.json, trained on it, so that the
comparison needs no file from elsewhere, and ids.json: for each tokenizer the number of ids, their SHA-256 as little-endian int32, and
the first 16 digits of the SHA-256 of each block of ids, by which the test finds the first difference. sentencepiece 0.1.97 (Debian's,
which the library links) to 0.2.1 give the same ids; from 0.2.2 on ties between equally likely splits of a unigram model ("--" "-"
or "-" "--") fall the other way.

The text is a pure function of mixed_text.json in whole numbers, so that C++ makes the same bytes:

    next()    splitmix64: state += 0x9E3779B97F4A7C15; z = state; z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
              z = (z ^ z >> 27) * 0x94D049BB133111EB; z ^ z >> 31, modulo 2^64; the first state is the seed
    below(n)  next() % n
    Until the text has `bytes` bytes or more: r = below(sum of the weights), take the first group whose weight, added to those
    before it, exceeds r; 1 + below(most) times append an item and between[below(its size)]. An item is texts[below(their number)],
    or 1 + below(length) code points r[0] + below(r[1] - r[0] + 1) with r = ranges[below(their number)] for each.

The text "every" is 'a' c 'b1' c ' ' c '\\n' for each code point c of `every` in mixed_text.json, "prose" is
sentencepiece_tests/botchan.txt.
"""
import hashlib
import json
import pathlib
import sys
from array import array

import sentencepiece
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

BLOCK = {"mixed": 4096, "every": 65536, "prose": 65536}  # ids
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3_SPLIT = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN_SPLIT = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3_TOKENS = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
QWEN_TOKENS = ["<|im_start|>", "<|im_end|>"]


def mixed_text(spec):
    state = spec["seed"]
    mask = (1 << 64) - 1

    def below(n):
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        return (z ^ z >> 31) % n

    def item(group):
        if "texts" in group:
            return group["texts"][below(len(group["texts"]))]
        points = []
        for _ in range(1 + below(group["length"])):
            first, last = group["ranges"][below(len(group["ranges"]))]
            points.append(chr(first + below(last - first + 1)))
        return "".join(points)

    parts, size = [], 0
    total = sum(group["weight"] for group in spec["groups"])
    while size < spec["bytes"]:
        r = below(total)
        for group in spec["groups"]:
            if r < group["weight"]:
                break
            r -= group["weight"]
        for _ in range(1 + below(group["most"])):
            part = item(group)
            part += group["between"][below(len(group["between"]))]
            parts.append(part)
            size += len(part.encode())
    return "".join(parts)


def every_code_point(spec):
    points = (chr(c) for first, last in spec["every"] for c in range(first, last + 1))
    return "".join(f"a{c}b1{c} {c}\n" for c in points)


def merge_patch(target, patch):  # RFC 7396
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def train(text):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=1000, show_progress=False, special_tokens=["<|endoftext|>"],
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    return json.loads(tokenizer.to_str())


def train_byte_fallback(text):
    """What HF makes of a SentencePiece model: characters, a token for each byte, U+2581 for spaces, merges across words too."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    tokenizer.train_from_iterator(text.splitlines(), trainers.BpeTrainer(vocab_size=700, limit_alphabet=250, show_progress=False))
    trained = json.loads(tokenizer.to_str())
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    names += sorted(trained["model"]["vocab"], key=trained["model"]["vocab"].get)
    model = dict(trained["model"], vocab={name: i for i, name in enumerate(names)}, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    replace = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
    return dict(trained, model=model, added_tokens=added(names[:3], 0),
                pre_tokenizer={"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False},
                decoder={"type": "Sequence", "decoders": [replace, {"type": "ByteFallback"}, {"type": "Fuse"}, strip]})


def added(contents, first):
    return [{"id": first + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": True} for i, text in enumerate(contents)]


def split_then_bytes(pattern):  # as a patch over {"type": "ByteLevel", ..}
    return {"type": "Sequence", "add_prefix_space": None, "trim_offsets": None, "use_regex": None, "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}


def tokenizers(bpe):
    words = {word: i for i, word in enumerate(["[UNK]", "the", "of", "a", "κόσμε", "мир", "你好", ".", "१२३", "don", "'", "t"])}
    word_level = {"version": "1.0", "added_tokens": [], "normalizer": None, "post_processor": None, "decoder": None,
                  "pre_tokenizer": {"type": "Whitespace"}, "model": {"type": "WordLevel", "vocab": words, "unk_token": "[UNK]"}}
    # Whole words that no merge reaches, which only ignore_merges finds.
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    whole = [byte_level.pre_tokenize_str(word)[0][0] for word in (
        " internationalization", "Tokenization", " Привет", "世界", "\r\n\r\n", " antidisestablishmentarianism")]
    whole = {word: 1000 + i for i, word in enumerate(w for w in whole if w not in bpe["model"]["vocab"])}
    llama3 = {"pre_tokenizer": split_then_bytes(LLAMA3_SPLIT), "model": {"ignore_merges": True, "vocab": whole},
              "added_tokens": bpe["added_tokens"] + added(LLAMA3_TOKENS, 1000 + len(whole))}
    qwen = {"pre_tokenizer": split_then_bytes(QWEN_SPLIT), "normalizer": {"type": "NFC"},
            "added_tokens": bpe["added_tokens"] + added(QWEN_TOKENS, 1000)}
    yield "trained, GPT-2's split", "bpe.json", {}
    yield "trained, Llama-3's split, ignore_merges", "bpe.json", llama3
    yield "trained, Qwen's split, NFC", "bpe.json", qwen
    yield "trained, NFC only", "bpe.json", {"normalizer": {"type": "NFC"}}
    yield "words, Whitespace", None, word_level
    yield "words, WhitespaceSplit", None, merge_patch(word_level, {"pre_tokenizer": {"type": "WhitespaceSplit"}})
    space = {"pattern": {"String": " "}, "content": "\u2581"}
    prepend = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", **space}]}
    fallback = "byte_fallback_bpe.json"
    yield "byte fallback, Metaspace first", fallback, {}
    yield "byte fallback, Metaspace always, split", fallback, {"pre_tokenizer": {"prepend_scheme": "always", "split": True}}
    yield "byte fallback, Metaspace never, ignore_merges", fallback, {
        "pre_tokenizer": {"prepend_scheme": "never", "split": True}, "model": {"ignore_merges": True}}
    yield "byte fallback, Prepend and Replace", fallback, {
        "pre_tokenizer": None, "normalizer": prepend,
        "added_tokens": [dict(token, normalized=True) for token in added(["<unk>", "<s>", "</s>"], 0)]}
    gpt2, neox = "gpt2_hf_json/tokenizer.json", "neox_hf/20B_tokenizer.json"
    endoftext = [dict(token, id=50256) for token in added(["<|endoftext|>"], 50256)]
    yield "GPT-2", gpt2, {}
    yield "GPT-NeoX", neox, {}
    yield "GPT-2, Llama-3's split, ignore_merges", gpt2, {
        "pre_tokenizer": split_then_bytes(LLAMA3_SPLIT), "model": {"ignore_merges": True},
        "added_tokens": endoftext + added(LLAMA3_TOKENS, 50257)}
    yield "GPT-2, Qwen's split, NFC", gpt2, {
        "pre_tokenizer": split_then_bytes(QWEN_SPLIT), "normalizer": {"type": "NFC"},
        "added_tokens": endoftext + added(QWEN_TOKENS, 50257)}
    for file in ("mistral_spm/tokenizer.model.v1", "mistral_spm/mistral_instruct_tokenizer_240323.model.v3",
                 "sentencepiece_tests/test_model.model", "sentencepiece_tests/test_ja_model.model",
                 "seqio_spm/sentencepiece.model"):
        yield file, file, None


def encoder(file, patch, shared, folder):
    if patch is None:
        model = sentencepiece.SentencePieceProcessor(model_file=str(shared / file))
        return model.encode
    base = {} if file is None else json.loads(((shared if "/" in file else folder) / file).read_text())
    patched = json.dumps(merge_patch(base, patch), ensure_ascii=False)
    tokenizer = Tokenizer.from_str(patched)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def digests(ids, block):
    numbers = array("i", ids)
    if sys.byteorder == "big":
        numbers.byteswap()
    data = numbers.tobytes()
    blocks = [hashlib.sha256(data[i:i + 4 * block]).hexdigest()[:16] for i in range(0, len(data), 4 * block)]
    return {"count": len(ids), "sha256": hashlib.sha256(data).hexdigest(), "blocks": "".join(blocks)}


def main():
    shared, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    spec = json.loads((folder / "mixed_text.json").read_text())
    prose = (shared / "sentencepiece_tests/botchan.txt").read_bytes().decode()
    texts = {"mixed": mixed_text(spec), "every": every_code_point(spec), "prose": prose}
    bpe = train(texts["mixed"])
    (folder / "bpe.json").write_text(json.dumps(bpe, ensure_ascii=False, separators=(",", ":")) + "\n")
    fallback = train_byte_fallback(texts["mixed"])
    (folder / "byte_fallback_bpe.json").write_text(json.dumps(fallback, ensure_ascii=False, separators=(",", ":")) + "\n")
    result = {"texts": {name: {"bytes": len(text.encode()), "sha256": hashlib.sha256(text.encode()).hexdigest(),
                               "block": BLOCK[name]} for name, text in texts.items()},
              "tokenizers": []}
    for name, file, patch in tokenizers(bpe):
        encode = encoder(file, patch, shared, folder)
        entry = {"name": name, "file": file}
        if patch is not None:
            entry["patch"] = patch
        slow = patch is None and file not in ("mistral_spm/tokenizer.model.v1", "sentencepiece_tests/test_model.model")
        entry.update({name: digests(encode(text), BLOCK[name]) for name, text in texts.items() if name != "every" or not slow})
        result["tokenizers"].append(entry)
        print(name, {text: entry[text]["count"] for text in texts if text in entry}, file=sys.stderr)
    (folder / "ids.json").write_text(json.dumps(result, ensure_ascii=True, indent=1) + "\n")


if __name__ == "__main__":
    main()
