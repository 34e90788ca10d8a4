#include "latent/feedback.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>

#include "lib/core/error.h"
#include "lib/kernels/argmax/argmax.h"
#include "lib/kernels/tensors.h"

namespace tacit {

const at::Tensor& StepState::hidden_BD(HiddenAt at) const {
  const at::Tensor& raw_BD = rows_.hidden_BD;
  if (at == HiddenAt::before_norm) return raw_BD;
  if (!normed_BD_.defined()) normed_BD_ = fused_ ? fused_->final_norm(raw_BD) : model_->final_norm(raw_BD);
  return normed_BD_;
}

const at::Tensor& StepState::logits_BV() const {
  if (!logits_BV_.defined()) logits_BV_ = fused_ ? fused_->logits(hidden_BD()) : model_->logits(hidden_BD());
  return logits_BV_;
}

const at::Tensor& StepState::layer_BD(int64_t layer) const {
  const auto count = std::ssize(rows_.layers_BD);
  require(count > 0, "think", "expected a session that keeps its layers (SessionOptions::keep_layers)");
  require(layer >= 0 && layer < count, "think", "expected a layer of 0 to ", count - 1, " but got ", layer);
  return rows_.layers_BD[layer];
}

void StepState::require_row(int64_t row) const {
  require(row >= 0 && row < rows(), "think", "expected a row of 0 to ", rows() - 1, " but got ", row);
}

int64_t StepState::id(int64_t row) const {
  require_row(row);
  return rows_.ids.empty() ? row : rows_.ids[row];
}

RowNotes& StepState::notes(int64_t row) const {
  require_row(row);
  require(!rows_.notes.empty(), "think", "expected rows whose notes are kept");
  return *rows_.notes[row];
}

Rng StepState::rng(int64_t row, uint64_t seed, uint32_t use) const {
  return thought_rng(seed, id(row), notes(row).thoughts, use);
}

int64_t StepState::length(int64_t row) const {
  require_row(row);
  require(!rows_.lengths.empty(), "think", "expected rows whose lengths are known");
  return rows_.lengths[row];
}

Rng thought_rng(uint64_t seed, int64_t id, int64_t thoughts, uint32_t use) {
  constexpr uint64_t kMostSteps = uint64_t{1} << 24;  // of one row, kept apart in the stream's number
  return Rng(seed, static_cast<uint64_t>(id) * kMostSteps + static_cast<uint64_t>(thoughts), use);
}

std::vector<int64_t> likeliest_tokens(const at::Tensor& logits_BV, std::string_view operation) {
  require(logits_BV.dim() == 2, operation, "expected logits of shape [B, V] but got ", shape_text(logits_BV.sizes()));
  const at::NoGradGuard no_grad;
  std::vector<int64_t> ids(logits_BV.size(0));
  std::vector<double> logit(logits_BV.size(0));
  if (takes_kernel(logits_BV)) {
    const at::Tensor dense_BV = logits_BV.contiguous();
    argmax({.rows = dense_BV.size(0),
            .size = dense_BV.size(1),
            .scalar = kernel_scalar(dense_BV, operation),
            .x_NV = dense_BV.const_data_ptr(),
            .index_N = ids.data(),
            .largest_N = logit.data()});
  } else {
    const auto [largest_B, ids_B] = logits_BV.max(-1);  // as argmax() has them
    // Together to the host: a device is waited for once.
    const at::Tensor both_2B = at::stack({largest_B.to(at::kDouble), ids_B.to(at::kDouble)}).to(at::kCPU);
    const double* both = both_2B.const_data_ptr<double>();
    std::copy_n(both, logit.size(), logit.begin());
    std::copy_n(both + logit.size(), ids.size(), ids.begin());
  }
  for (size_t b = 0; b < ids.size(); ++b) {
    require(std::isfinite(logit[b]), operation, "expected finite logits but got ", logit[b], " for token ", ids[b],
            " in row ", b);
  }
  return ids;
}

namespace feedback {

namespace {

struct LastHidden {
  HiddenAt at;
  NextInput operator()(const StepState& state) const { return {state.hidden_BD(at)}; }
};

}  // namespace

Feedback hidden(HiddenAt at) { return {at == HiddenAt::after_norm ? "hidden" : "hidden_before_norm", LastHidden{at}}; }

std::optional<HiddenAt> hidden_at(const Feedback& feedback) {
  const LastHidden* const own = feedback.next.target<LastHidden>();
  return own ? std::optional(own->at) : std::nullopt;
}

Feedback embed_argmax() {
  return {"embed_argmax", [](const StepState& state) {
            std::vector<int64_t> ids = likeliest_tokens(state.logits_BV(), "think");
            const at::Tensor ids_B = at::tensor(ids, at::kLong).to(state.model().device());
            return NextInput{state.model().embed(ids_B), std::move(ids)};
          }};
}

Feedback token(int64_t id) {
  return {"token", [id](const StepState& state) {
            require(id >= 0 && id < state.model().config().vocab_size, "think", "expected a token of 0 to ",
                    state.model().config().vocab_size - 1, " to feed back but got ", id);
            const at::Tensor ids_B =
                at::full({state.rows()}, id, at::TensorOptions().dtype(at::kLong)).to(state.model().device());
            return NextInput{state.model().embed(ids_B), std::vector<int64_t>(state.rows(), id)};
          }};
}

Feedback layer(int64_t layer, HiddenAt at) {
  Feedback out{"layer", [layer, at](const StepState& state) {
                 const at::Tensor& x_BD = state.layer_BD(layer);
                 return NextInput{at == HiddenAt::after_norm ? state.model().final_norm(x_BD) : x_BD, {}};
               }};
  out.reads_layers = true;
  return out;
}

}  // namespace feedback

}  // namespace tacit
