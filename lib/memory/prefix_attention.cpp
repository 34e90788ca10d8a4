#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include <limits>

#include "lib/core/error.h"
#include "lib/kernels/decode_attention/decode_attention.h"
#include "lib/kernels/decode_attention/decode_attention_backward.h"
#include "lib/kernels/tensors.h"
#include "lib/memory/tiles.h"

namespace tacit {
namespace {

using torch::autograd::collect_next_edges;
using torch::autograd::create_gradient_edge;
using torch::autograd::deleteNode;
using torch::autograd::Node;
using torch::autograd::variable_list;

// The tile's columns of a buffer [B, G, C, E] -> a view [rows * G, columns, E].
at::Tensor columns_of(const at::Tensor& buffer_BGCE, const Tile& tile) {
  const at::Tensor part = buffer_BGCE.narrow(0, tile.row, tile.rows).narrow(2, tile.column, tile.columns);
  return part.view({tile.rows * part.size(1), tile.columns, part.size(3)});
}

// The query heads of a KV head become rows of its product: [rows, H, queries, E] -> [rows * G, H / G * queries, E]
at::Tensor by_kv_head(const at::Tensor& part_RHQE, int64_t kv_heads) {
  return part_RHQE.reshape({part_RHQE.size(0) * kv_heads, -1, part_RHQE.size(3)});
}

// A tile's softmax [rows * G, H / G * queries, columns].
at::Tensor weights_of(const Tile& tile, const at::Tensor& scaled_q, const at::Tensor& k) {
  at::Tensor scores = at::bmm(scaled_q, k.transpose(1, 2));
  if (tile.hidden.defined()) {
    const int64_t n = tile.hidden.size(2), kv_heads = k.size(0) / tile.rows;
    scores.view({tile.rows, kv_heads, -1, tile.queries, tile.columns})
        .narrow(4, tile.columns - n, n)
        .masked_fill_(tile.hidden.view({-1, 1, 1, tile.queries, n}), -std::numeric_limits<double>::infinity());
  }
  return at::_softmax_out(scores, scores, -1, /*half_to_float=*/false);
}

// An empty tensor laid out as a linear layer's rows, seen by head: [B, H, T, E].
at::Tensor empty_by_head(const at::Tensor& like_BHTE, int64_t heads, int64_t columns, int64_t size) {
  return at::empty({like_BHTE.size(0), columns, heads, size}, like_BHTE.options()).transpose(1, 2);
}

at::Tensor scaled_queries(const PrefixAttention& how, const at::Tensor& q, const Tile& tile) {
  return by_kv_head(part_of(q, how.queries, tile) * how.scale, how.prefix->k_BGCE.size(1));
}

// Whether a tile is one position a row, whose forward and backward passes read keys and values once.
bool takes_step_kernel(const PrefixAttention& how, const at::Tensor& q, const Tile& tile, bool has_values) {
  const bool known = q.scalar_type() == at::kFloat || q.scalar_type() == at::kBFloat16;
  return tile.queries == 1 && known && q.is_cpu() && has_values && how.prefix->k_BGCE.is_contiguous() &&
         how.prefix->v_BGCE.is_contiguous();
}

// The arguments of both, and what they point to.
struct StepCall {
  StepCall(const PrefixAttention& how, const at::Tensor& q, const Tile& tile)
      : q_RHE(part_of(q, how.queries, tile).contiguous()), stored_R(tile.rows, tile.columns) {
    const StoredPrefix& prefix = *how.prefix;
    const at::Tensor k = prefix.k_BGCE, v = prefix.v_BGCE;
    const int64_t allocated = k.size(2);
    if (tile.hidden.defined()) {
      seen_RC = at::ones({tile.rows, allocated}, at::kBool);
      const int64_t n = tile.hidden.size(2);
      seen_RC.narrow(1, tile.columns - n, n).copy_(tile.hidden.squeeze(1).logical_not());
    }
    args = {.rows = tile.rows,
            .heads = q_RHE.size(1),
            .kv_heads = k.size(1),
            .key_size = k.size(3),
            .value_size = v.size(3),
            .columns = allocated,
            .scalar = kernel_scalar(q, "attend"),
            .scale = static_cast<float>(how.scale),
            .q_BHE = q_RHE.const_data_ptr(),
            .k_BGCE = from(k, tile),
            .v_BGCE = from(v, tile),
            .stored_B = stored_R.data(),
            .seen_BC = seen_RC.defined() ? seen_RC.const_data_ptr<bool>() : nullptr};
  }
  // The tile's first column in a contiguous buffer.
  static void* from(const at::Tensor& buffer_BGCE, const Tile& tile) {
    return buffer_BGCE.narrow(0, tile.row, tile.rows).narrow(2, tile.column, tile.columns).data_ptr();
  }

  at::Tensor q_RHE, seen_RC;
  std::vector<int64_t> stored_R;
  DecodeAttentionArgs args;
};

void find_step(const PrefixAttention& how, const at::Tensor& q, const Tile& tile, const at::Tensor& found_RH1E) {
  StepCall call(how, q, tile);
  const at::Tensor y_RHE = at::empty(found_RH1E.sizes(), q.options());
  call.args.y_BHE = y_RHE.data_ptr();
  decode_attention(call.args, {});
  found_RH1E.copy_(y_RHE);
}

void add_step_gradients(const PrefixAttention& how, const at::Tensor& q, const Tile& tile, const at::Tensor& dfound,
                        const at::Tensor& dq_RH1E) {
  const StepCall call(how, q, tile);
  const at::Tensor dy = dfound.contiguous(), dq = at::empty(dq_RH1E.sizes(), q.options());
  decode_attention_backward({.forward = call.args,
                             .dy_BHE = dy.const_data_ptr(),
                             .dq_BHE = dq.data_ptr(),
                             .dk_BGCE = StepCall::from(how.prefix->dk_BGCE, tile),
                             .dv_BGCE = StepCall::from(how.prefix->dv_BGCE, tile)});
  dq_RH1E.copy_(dq);
}

// kept_weights: by tile; undefined where the step kernel computes them anew.
at::Tensor find(const PrefixAttention& how, const at::Tensor& q, bool has_values,
                std::vector<at::Tensor>* kept_weights) {
  const StoredPrefix& prefix = *how.prefix;
  const at::Tensor found = empty_by_head(q, q.size(1), q.size(2), prefix.v_BGCE.size(3));
  for (const Tile& tile : *how.tiles) {
    if (takes_step_kernel(how, q, tile, has_values)) {
      find_step(how, q, tile, part_of(found, how.queries, tile));
      if (kept_weights) kept_weights->emplace_back();
      continue;
    }
    const at::Tensor weights = weights_of(tile, scaled_queries(how, q, tile), columns_of(prefix.k_BGCE, tile));
    const at::Tensor target = part_of(found, how.queries, tile);
    target.copy_(at::bmm(weights, columns_of(prefix.v_BGCE, tile)).view(target.sizes()));
    if (kept_weights) kept_weights->push_back(weights);
  }
  return found;
}

// The segment's own share of a gradient buffer, in the layout of its keys; the buffer is zero there afterwards.
at::Tensor take_share(const at::Tensor& buffer_BGCE, const QueryRows& tokens) {
  int64_t columns = 0;
  for (const int64_t count : tokens.counts) columns += count;
  const int64_t rows = static_cast<int64_t>(tokens.counts.size());
  const at::Tensor out =
      tokens.packed
          ? at::empty({1, columns, buffer_BGCE.size(1), buffer_BGCE.size(3)}, buffer_BGCE.options()).transpose(1, 2)
          : at::empty({rows, columns / rows, buffer_BGCE.size(1), buffer_BGCE.size(3)}, buffer_BGCE.options())
                .transpose(1, 2);
  for (const auto& [row, count] : equal_rows(tokens)) {
    const Tile all{.row = row, .rows = count, .query = 0, .queries = tokens.counts[row]};
    const at::Tensor own = buffer_BGCE.narrow(0, row, count).narrow(2, tokens.from[row], tokens.counts[row]);
    part_of(out, tokens, all).copy_(own);
    own.zero_();
  }
  return out;
}

class AttendToPrefix : public Node {
 public:
  AttendToPrefix(PrefixAttention how, at::Tensor q, std::vector<at::Tensor> weights, bool has_values)
      : how_(std::move(how)), q_(std::move(q)), weights_(std::move(weights)), has_values_(has_values) {}

  // Gradients of what was found and of the chain (none) -> of q, k, v and of the chain (none).
  variable_list apply(variable_list&& gradients) override {
    require(!at::GradMode::is_enabled(), "backward",
            "expected first derivatives only, but the gradient is to be differentiated again; take the plain path");
    require(q_.defined(), "backward", "expected to run backward once but got a second time; retain the graph");
    StoredPrefix& prefix = *how_.prefix;
    if (!prefix.dk_BGCE.defined()) {
      prefix.dk_BGCE = at::zeros_like(prefix.k_BGCE);
      prefix.dv_BGCE = has_values_ ? at::zeros_like(prefix.v_BGCE) : prefix.dk_BGCE.narrow(3, 0, prefix.v_BGCE.size(3));
    }
    variable_list out(4);
    if (gradients[0].defined()) out[0] = add_gradients(gradients[0], prefix);
    out[1] = take_share(prefix.dk_BGCE, how_.tokens);
    if (has_values_) out[2] = take_share(prefix.dv_BGCE, how_.tokens);
    return out;
  }

  void release_variables() override {
    q_ = at::Tensor();
    weights_.clear();
  }

 private:
  at::Tensor add_gradients(const at::Tensor& gradient, const StoredPrefix& prefix) const {
    const at::Tensor dq = empty_by_head(q_, q_.size(1), q_.size(2), q_.size(3));
    for (size_t i = 0; i < how_.tiles->size(); ++i) {
      const Tile& tile = (*how_.tiles)[i];
      const at::Tensor& weights = weights_[i];
      if (!weights.defined()) {
        add_step_gradients(how_, q_, tile, part_of(gradient, how_.queries, tile), part_of(dq, how_.queries, tile));
        continue;
      }
      const at::Tensor dfound = by_kv_head(part_of(gradient, how_.queries, tile), prefix.k_BGCE.size(1));
      at::Tensor dscores = at::bmm(dfound, columns_of(prefix.v_BGCE, tile).transpose(1, 2));
      at::_softmax_backward_data_out(dscores, dscores, weights, -1, dscores.scalar_type());
      columns_of(prefix.dv_BGCE, tile).add_(at::bmm(weights.transpose(1, 2), dfound));
      columns_of(prefix.dk_BGCE, tile).add_(at::bmm(dscores.transpose(1, 2), scaled_queries(how_, q_, tile)));
      const at::Tensor target = part_of(dq, how_.queries, tile);
      target.copy_(at::bmm(dscores, columns_of(prefix.k_BGCE, tile)).view(target.sizes()).mul_(how_.scale));
    }
    return dq;
  }

  PrefixAttention how_;
  at::Tensor q_;
  std::vector<at::Tensor> weights_;  // by tile, as find() keeps them
  bool has_values_;                  // else they lie in the keys
};

}  // namespace

at::Tensor attend_to_prefix(const PrefixAttention& how, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            at::Tensor& chain) {
  const auto has_gradient = [](const at::Tensor& x) { return x.defined() && x.requires_grad(); };
  const bool recorded =
      at::GradMode::is_enabled() && (has_gradient(q) || has_gradient(k) || has_gradient(v) || has_gradient(chain));
  std::vector<at::Tensor> weights;
  at::Tensor found, next;
  {
    const at::NoGradGuard no_grad;
    found = find(how, q.detach(), v.defined(), recorded ? &weights : nullptr);
    next = at::empty({}, q.options());  // nobody reads it
  }
  if (recorded) {
    std::shared_ptr<Node> node(new AttendToPrefix(how, q.detach(), std::move(weights), v.defined()), deleteNode);
    node->set_next_edges(collect_next_edges(q, k, v, chain));
    create_gradient_edge(found, node);
    create_gradient_edge(next, node);
  }
  chain = next;
  return found;
}

}  // namespace tacit
