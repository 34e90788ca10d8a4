#include "lib/model/deferred_gradient.h"

#include <ATen/OpMathType.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/skinny_linear/skinny_linear.h"
#include "lib/model/products.h"

namespace tacit {
namespace {

using torch::autograd::collect_next_edges;
using torch::autograd::create_gradient_edge;
using torch::autograd::deleteNode;
using torch::autograd::Node;
using torch::autograd::variable_list;

void require_first_derivative() {
  require(!at::GradMode::is_enabled(), "backward",
          "expected first derivatives only, but the gradient is to be differentiated again; take the plain path");
}

// Runs after all of the weight's uses have had their backward pass: autograd counts them, although they hand it no
// gradient.
class DeferredGradient : public Node {
 public:
  void add_product(const at::Tensor& outputs_NO, const at::Tensor& inputs_NI) {
    // A product of this many rows costs so much more than the sum it is added to that it need not wait; and what waits
    // stays small, however many passes there are.
    constexpr int64_t enough = 192;
    if (outputs_NO.size(0) >= enough) {
      flush();
      add_outer_products(outputs_NO, inputs_NI, sum_);
      return;
    }
    outputs_.push_back(outputs_NO);
    inputs_.push_back(inputs_NI);
    rows_ += outputs_NO.size(0);
    if (rows_ >= enough) flush();
  }

  void add_rows(const at::Tensor& ids_N, const at::Tensor& gradient_ND) {
    ids_.push_back(ids_N);
    row_gradients_.push_back(gradient_ND);
  }

  variable_list apply(variable_list&& gradients) override {
    require_first_derivative();
    flush();
    at::Tensor sum = std::move(sum_);
    sum_ = at::Tensor();
    if (!ids_.empty()) add_rows_to(sum);
    ids_.clear();
    row_gradients_.clear();
    const at::Tensor& direct = gradients[0];  // from uses that know nothing of this
    if (direct.defined()) sum = sum.defined() ? sum.add_(direct) : direct;
    return {sum};
  }

 private:
  // In fp32 for weights of fewer bits, where a row that occurs often would stop growing.
  void add_rows_to(at::Tensor& sum) const {
    if (!sum.defined()) sum = input_metadata(0).zeros_like();
    const at::ScalarType type = sum.scalar_type();
    at::Tensor rows = sum.to(at::toOpMathType(type));
    for (size_t i = 0; i < ids_.size(); ++i) rows.index_add_(0, ids_[i], row_gradients_[i].to(rows.scalar_type()));
    sum = rows.to(type);
  }

  void flush() {
    if (rows_ == 0) return;
    const bool one = outputs_.size() == 1;
    add_outer_products(one ? outputs_[0] : at::cat(outputs_), one ? inputs_[0] : at::cat(inputs_), sum_);
    outputs_.clear();
    inputs_.clear();
    rows_ = 0;
  }

  at::Tensor sum_;
  std::vector<at::Tensor> outputs_, inputs_;  // [N, O], [N, I], by use
  int64_t rows_ = 0;                          // in them
  std::vector<at::Tensor> ids_, row_gradients_;
};

std::shared_ptr<DeferredGradient> deferred_gradient_of(const at::Tensor& weight) {
  return std::dynamic_pointer_cast<DeferredGradient>(weight.grad_fn());
}

bool takes_skinny(const at::Tensor& x_NI, const at::Tensor& weight_OI) {
  return x_NI.is_cpu() && x_NI.scalar_type() == at::kFloat && weight_OI.scalar_type() == at::kFloat &&
         x_NI.size(0) <= kMostSkinnyRows && weight_OI.is_contiguous();
}

at::Tensor product(const at::Tensor& x_NI, const at::Tensor& weight_OI, const at::Tensor& bias_O) {
  if (!takes_skinny(x_NI, weight_OI)) return linear_product(x_NI, weight_OI, bias_O);
  const at::Tensor x = x_NI.contiguous(), y_NO = at::empty({x.size(0), weight_OI.size(0)}, x.options());
  skinny_linear({.rows = x.size(0),
                 .outputs = weight_OI.size(0),
                 .inputs = weight_OI.size(1),
                 .x = x.const_data_ptr<float>(),
                 .weight_OI = weight_OI.const_data_ptr<float>(),
                 .bias_O = bias_O.defined() ? bias_O.const_data_ptr<float>() : nullptr,
                 .y = y_NO.mutable_data_ptr<float>()});
  return y_NO;
}

at::Tensor input_gradient(const at::Tensor& x_NO, const at::Tensor& weight_OI) {
  if (!takes_skinny(x_NO, weight_OI)) return transposed_product(x_NO, weight_OI);
  const at::Tensor x = x_NO.contiguous(), y_NI = at::empty({x.size(0), weight_OI.size(1)}, x.options());
  skinny_linear_transposed({.rows = x.size(0),
                            .outputs = weight_OI.size(0),
                            .inputs = weight_OI.size(1),
                            .x = x.const_data_ptr<float>(),
                            .weight_OI = weight_OI.const_data_ptr<float>(),
                            .y = y_NI.mutable_data_ptr<float>()});
  return y_NI;
}

class DeferredLinear : public Node {
 public:
  DeferredLinear(const at::Tensor& x_NI, const at::Tensor& weight_OI)
      : x_NI_(x_NI.detach()), weight_OI_(weight_OI.detach()), collector_(deferred_gradient_of(weight_OI)) {}

  variable_list apply(variable_list&& gradients) override {
    require_first_derivative();
    require(x_NI_.defined(), "backward", "expected to run backward once but got a second time; retain the graph");
    if (!gradients[0].defined()) return variable_list(3);
    const at::Tensor gradient_NO = gradients[0].contiguous();
    collector_->add_product(gradient_NO, x_NI_);
    variable_list out(3);  // of x, of the weight (none: the collector has it), of the bias
    if (task_should_compute_output(0)) out[0] = input_gradient(gradient_NO, weight_OI_);
    if (task_should_compute_output(2)) out[2] = gradient_NO.sum(0);
    return out;
  }

  void release_variables() override { x_NI_ = at::Tensor(); }

 private:
  at::Tensor x_NI_, weight_OI_;
  std::shared_ptr<DeferredGradient> collector_;
};

class DeferredEmbedding : public Node {
 public:
  DeferredEmbedding(at::Tensor ids_N, const at::Tensor& weight_VD)
      : ids_N_(std::move(ids_N)), collector_(deferred_gradient_of(weight_VD)) {}

  variable_list apply(variable_list&& gradients) override {
    require_first_derivative();
    if (gradients[0].defined()) collector_->add_rows(ids_N_, gradients[0]);
    return variable_list(1);
  }

 private:
  at::Tensor ids_N_;
  std::shared_ptr<DeferredGradient> collector_;
};

template <class T, class... Arguments>
std::shared_ptr<T> make_node(Arguments&&... arguments) {
  return std::shared_ptr<T>(new T(std::forward<Arguments>(arguments)...), deleteNode);
}

}  // namespace

at::Tensor defer_gradient(const at::Tensor& weight) {
  if (!weight.requires_grad()) return weight;
  at::Tensor view = weight.detach();
  auto node = make_node<DeferredGradient>();
  node->set_next_edges(collect_next_edges(weight));
  create_gradient_edge(view, node);
  return view;
}

bool is_deferred(const at::Tensor& weight) {
  return weight.defined() && !weight.is_leaf() && deferred_gradient_of(weight) != nullptr;
}

at::Tensor deferred_linear(const at::Tensor& x, const at::Tensor& weight_OI, const at::Tensor& bias_O) {
  const at::Tensor x_NI = x.reshape({-1, x.size(-1)});  // with gradient
  at::Tensor y_NO;
  {
    const at::NoGradGuard no_grad;
    y_NO = product(x_NI, weight_OI, bias_O);
  }
  if (at::GradMode::is_enabled()) {
    auto node = make_node<DeferredLinear>(x_NI, weight_OI);
    node->set_next_edges(collect_next_edges(x_NI, weight_OI, bias_O));
    create_gradient_edge(y_NO, node);
  }
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = weight_OI.size(0);
  return y_NO.view(sizes);
}

at::Tensor deferred_embedding(const at::Tensor& weight_VD, const at::Tensor& ids) {
  const at::Tensor ids_N = ids.flatten();
  at::Tensor rows_ND;
  {
    const at::NoGradGuard no_grad;
    rows_ND = weight_VD.index_select(0, ids_N);
  }
  if (at::GradMode::is_enabled()) {
    auto node = make_node<DeferredEmbedding>(ids_N, weight_VD);
    node->set_next_edges(collect_next_edges(weight_VD));
    create_gradient_edge(rows_ND, node);
  }
  std::vector<int64_t> sizes = ids.sizes().vec();
  sizes.push_back(weight_VD.size(1));
  return rows_ND.view(sizes);
}

}  // namespace tacit
