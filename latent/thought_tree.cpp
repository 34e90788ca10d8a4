#include "latent/thought_tree.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>

#include "latent/thinking.h"
#include "lib/core/error.h"
#include "lib/model/memory_layout.h"

namespace tacit {

static TreeMemory memory_for(const Transformer& model, const ThoughtTreeOptions& options) {
  require_recurrences(model.config(), options.recurrences, "make_tree");
  require(!model.config().bidirectional, "make_tree", "expected a model that reads from left to right");
  return TreeMemory(memory_layout(model.config(), options.recurrences), options.capacity, model.dtype(),
                    model.device());
}

ThoughtTree::ThoughtTree(std::shared_ptr<const Transformer> model, const ThoughtTreeOptions& options)
    : model_(std::move(model)), recurrences_(options.recurrences), memory_(memory_for(*model_, options)) {
  hidden_CD_ = at::zeros({options.capacity, model_->config().hidden_size},
                         at::TensorOptions().dtype(model_->dtype()).device(model_->device()));
}

int64_t ThoughtTree::advance(const at::Tensor& x_1ND, std::span<const int64_t> parents, std::string_view operation) {
  const at::NoGradGuard no_grad;
  const int64_t first = nodes(), most = model_->config().max_positions;
  const at::Tensor position_1N = memory_.open(parents, operation);
  const int64_t deepest = position_1N.max().item<int64_t>();
  require(deepest < most, operation, "expected paths of at most ", most, " nodes (the model's positions) but got ",
          deepest + 1);
  const at::Tensor hidden_1ND = model_->forward(x_1ND, position_1N, memory_, {.recurrences = recurrences_});
  memory_.close();
  hidden_CD_.narrow(0, first, x_1ND.size(1)).copy_(hidden_1ND[0]);
  return first;
}

int64_t ThoughtTree::feed(std::span<const int64_t> tokens, std::span<const int64_t> parents) {
  require(tokens.size() == parents.size(), "feed", "expected a parent for each of ", tokens.size(), " tokens but got ",
          parents.size());
  const int64_t vocabulary = model_->config().vocab_size;
  for (size_t i = 0; i < tokens.size(); ++i) {
    require(tokens[i] >= 0 && tokens[i] < vocabulary, "feed", "expected token ids of 0 to ", vocabulary - 1,
            " but got ", tokens[i], " at place ", i);
  }
  const at::NoGradGuard no_grad;
  const at::Tensor ids_1N =
      at::tensor(at::ArrayRef<int64_t>(tokens.data(), tokens.size()), at::kLong).to(model_->device()).unsqueeze(0);
  return advance(model_->embed(ids_1N), parents, "feed");
}

int64_t ThoughtTree::feed_vectors(const at::Tensor& x_ND, std::span<const int64_t> parents) {
  const int64_t count = static_cast<int64_t>(parents.size()), D = model_->config().hidden_size;
  require(x_ND.dim() == 2 && x_ND.size(0) == count && x_ND.size(1) == D, "feed_vectors", "expected vectors of shape [",
          count, ", ", D, "] but got ", shape_text(x_ND.sizes()));
  return advance(x_ND.to(model_->dtype()).unsqueeze(0), parents, "feed_vectors");
}

int64_t ThoughtTree::feed_chain(std::span<const int64_t> tokens, int64_t parent) {
  std::vector<int64_t> parents;
  for (size_t i = 0; i < tokens.size(); ++i) parents.push_back(i == 0 ? parent : nodes() + static_cast<int64_t>(i) - 1);
  return feed(tokens, parents) + static_cast<int64_t>(tokens.size()) - 1;
}

at::Tensor ThoughtTree::gather(std::span<const int64_t> chosen, std::string_view operation) const {
  for (const int64_t node : chosen) {
    require(node >= 0 && node < nodes(), operation, "expected nodes of 0 to ", nodes() - 1, " but got ", node);
  }
  const at::NoGradGuard no_grad;
  return hidden_CD_.index_select(
      0, at::tensor(at::ArrayRef<int64_t>(chosen.data(), chosen.size()), at::kLong).to(model_->device()));
}

ThoughtTree::Branches ThoughtTree::think(std::span<const int64_t> leaves, const ThinkOptions& options) {
  Branches out{{}, {leaves.begin(), leaves.end()}};
  std::vector<RowNotes> notes(leaves.size());
  const auto consume = [&](const at::Tensor& input_BD, const std::vector<int64_t>& active) {
    std::vector<int64_t> rows, parents;
    for (size_t b = 0; b < active.size(); ++b) {
      if (active[b]) rows.push_back(static_cast<int64_t>(b)), parents.push_back(out.leaves[b]);
    }
    const at::Tensor row_N = at::tensor(rows, at::kLong).to(model_->device());
    int64_t node = advance(input_BD.index_select(0, row_N).unsqueeze(0), parents, "think");
    for (const int64_t b : rows) out.leaves[b] = node++;
  };
  out.thoughts = think_loop({.model = *model_,
                             .fused = nullptr,
                             .ids = {},
                             .notes = notes,
                             .where =
                                 [&] {
                                   StepRows rows{.hidden_BD = gather(out.leaves, "think")};
                                   for (const int64_t leaf : out.leaves) rows.lengths.push_back(depths()[leaf] + 1);
                                   return rows;
                                 },
                             .consume = consume},
                            options);
  return out;
}

at::Tensor ThoughtTree::hidden_ND(std::span<const int64_t> nodes, HiddenAt at) const {
  const at::NoGradGuard no_grad;
  const at::Tensor hidden = gather(nodes, "hidden");
  return at == HiddenAt::before_norm ? hidden : model_->final_norm(hidden);
}

at::Tensor ThoughtTree::logits_NV(std::span<const int64_t> nodes) const {
  const at::NoGradGuard no_grad;
  return model_->logits(model_->final_norm(gather(nodes, "logits")));
}

}  // namespace tacit
