#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "decoding/decode.h"
#include "latent/session.h"

namespace tacit {

// What a model says after its thoughts against what it says after fewer of them.
struct ContrastOptions {
  double weight = 0.5;     // w >= 0; 0 = greedy decoding
  double plausible = 0.1;  // a, in 0..1: tokens below a times the likeliest are never chosen
  int64_t thoughts = 0;    // that the other one has taken; 0 = it answers without any
};

// The contrasted score of every token,
//   s(x) = (1 + w) log p(x) - w log q(x)   where p(x) >= a max p, else -inf,
// p after all thoughts and q after fewer: contrastive decoding [arXiv:2210.15097] in the form of arXiv:2309.09117, with
// the same model as its own amateur, as in DoLa [arXiv:2309.03883], at an earlier thought in place of an earlier layer.
// Logits [B, V] of both -> [B, V], fp64 on the host.
at::Tensor contrast_scores(const at::Tensor& logits_BV, const at::Tensor& other_BV, const ContrastOptions& options);

// Decodes by the highest score, the lowest id among equals. Both sessions, of as many rows and at the point where the
// answer begins, are fed every token. Temperature and log-probabilities of `options` are not read.
std::vector<Decoded> decode_contrast(Session& session, Session& other, const ContrastOptions& contrast,
                                     const DecodeOptions& options);

}  // namespace tacit
