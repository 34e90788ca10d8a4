#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "latent/method.h"

namespace tacit {

Method tree_method();

// The tokens of a vocabulary that open a list, by id: those that start with '[' and do not end in ']', and the one that
// closes it, "]" (-1 = there is none).
struct Brackets {
  std::vector<char> opens;
  int64_t closer = -1;
};
Brackets brackets_of(const Tokenizer& tokenizer);

// Of each row, the word that opens the list around each word, -1 at the root; a closing word stands inside. Fails where
// a row is not one list.
std::vector<std::vector<int64_t>> parents_in(const TokenRows& rows, const Brackets& brackets);

// Who sees whom in texts of nested lists. parents[i]: the word that opens the list around word i, -1 at the root; the
// word that closes a list is the last whose parent is the list's opener. A word sees, of what stands before it and
// itself, its own list alone: the opener, the words directly inside and, for each list inside, the word that closes it.
// An opener and a closer lie in their own list. Behind the words stands one position that sees the outermost list.
// -> bool [B, 1, T, T], T one more than the most words; positions behind a text see themselves
at::Tensor own_list_mask(const std::vector<std::vector<int64_t>>& parents);

}  // namespace tacit
