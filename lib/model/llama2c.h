#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace tacit {

// A checkpoint of llama2.c (github.com/karpathy/llama2.c, the version-0 format) as a Hugging Face directory of family
// llama:
//
//   int32 dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len
//   fp32  token_embedding [V, D], rms_att [L, D], wq [L, D, D], wk, wv [L, G*E, D], wo [L, D, D], rms_ffn [L, D],
//         w1 [L, F, D], w2 [L, D, F], w3 [L, F, D], rms_final [D], freq_cis_real, freq_cis_imag [seq_len, E/2],
//         wcls [V, D] where vocab_size is negative: a classifier of its own
//
// llama2.c rotates neighbouring pairs of a head, Hugging Face its two halves: rows of wq and wk change places.
// `tokenizer` (optional, empty = none) is llama2.c's tokenizer.bin and becomes tokenizer.model:
//
//   int32 max_token_length, then for every id: float score, int32 length, bytes
//
// Fails naming file and byte on a header that lies or a file that ends early or late, before anything is written; so
// too where `out` holds a checkpoint already.
struct Llama2cOptions {
  std::filesystem::path checkpoint, tokenizer, out;
};
void convert_llama2c(const Llama2cOptions& options);

// Content of the tokenizer.model (SentencePiece BPE) for a tokenizer.bin of `vocab` tokens.
std::string llama2c_tokenizer_model(const std::filesystem::path& file, int64_t vocab);

}  // namespace tacit
