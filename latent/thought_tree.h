#pragma once

#include <memory>
#include <span>
#include <vector>

#include "latent/session.h"
#include "lib/memory/tree_memory.h"

namespace tacit {

struct ThoughtTreeOptions {
  int64_t capacity = 512;   // nodes of the whole tree; a path is at most as deep as the model has positions
  int64_t recurrences = 0;  // as SessionOptions::recurrences
};

// Tokens and thoughts that branch: every node continues its parent and attends to its ancestors only, so a prompt is
// computed and stored once for all branches that leave it, and all branches of a step run as one batch. A path gives
// what a session gives that is fed it alone. The same serves text with a hierarchy of its own. No gradients are
// recorded. [tree attention: SpecInfer, arXiv:2305.09781, section 4.1]
class ThoughtTree {
 public:
  static constexpr int64_t kNoParent = TreeMemory::kNoParent;

  // Fails where the model keeps states of fixed size (RWKV-7, log-linear): fork a session instead.
  ThoughtTree(std::shared_ptr<const Transformer> model, const ThoughtTreeOptions& options = {});

  // One node for each token; parents[i] is an earlier node, one of this call before it, or kNoParent.  -> number of the
  // first new node, the others follow
  int64_t feed(std::span<const int64_t> tokens, std::span<const int64_t> parents);
  // The same with vectors x [N, D] in place of embeddings.
  int64_t feed_vectors(const at::Tensor& x_ND, std::span<const int64_t> parents);
  // Tokens one after the other below `parent`.  -> the last node
  int64_t feed_chain(std::span<const int64_t> tokens, int64_t parent = kNoParent);

  // Lets every branch that ends in one of `leaves` feed back its own state, each step as one batch; the rows of
  // feedback and halting rule are the leaves, their notes begin anew with every call. A leaf may be named twice: a
  // fork.  -> what was thought, and where each branch ends now
  struct Branches {
    Thoughts thoughts;
    std::vector<int64_t> leaves;
  };
  Branches think(std::span<const int64_t> leaves, const ThinkOptions& options);

  at::Tensor hidden_ND(std::span<const int64_t> nodes, HiddenAt at = HiddenAt::after_norm) const;
  at::Tensor logits_NV(std::span<const int64_t> nodes) const;

  int64_t nodes() const { return memory_.nodes(); }
  const std::vector<int64_t>& parents() const { return memory_.parents(); }
  const std::vector<int64_t>& depths() const { return memory_.depths(); }

 private:
  int64_t advance(const at::Tensor& x_1ND, std::span<const int64_t> parents, std::string_view operation);
  at::Tensor gather(std::span<const int64_t> nodes, std::string_view operation) const;

  std::shared_ptr<const Transformer> model_;
  int64_t recurrences_;
  TreeMemory memory_;
  at::Tensor hidden_CD_;  // before the final norm, by node
};

}  // namespace tacit
