#pragma once

// Shape suffixes, the same everywhere:
//
//   B   rows of a batch (sequences)          D   hidden size of the model
//   T   positions of the current segment     F   intermediate size of the MLP
//   S   positions stored in memory           V   vocabulary size
//   H   query heads                          K   thoughts (latent steps)
//   G   key/value heads (H is a multiple)    L   layers
//   E   size of one head                     N   anything flattened: a count of rows, tokens or items
//
// hidden_BD is a batch of single vectors, k_BGSE the keys of a batch. A scalar has no suffix.
