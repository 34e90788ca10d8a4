#pragma once

#include "lib/kernels/latent_loop/loop_attention.cuh"
#include "lib/kernels/latent_loop/loop_stream.cuh"

// The phases of a step, as the persistent kernel and the graph's kernels run them, over the same shares: their answers
// are bitwise the same. A phase first fetches what does not depend on the one before it (its weights, norms, biases,
// the stored keys), then receives what does, which is how the blocks of the persistent kernel wait for each other.
namespace tacit::device {

TACIT_DEVICE float activate(float x, LoopActivation activation) {
  switch (activation) {
    case LoopActivation::gelu: return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    case LoopActivation::gelu_tanh:
      return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    case LoopActivation::silu: return x / (1.0f + expf(-x));
    case LoopActivation::relu: return fmaxf(x, 0.0f);
    case LoopActivation::relu_squared: return fmaxf(x, 0.0f) * fmaxf(x, 0.0f);
  }
  return x;
}

// A block's shares of the outputs of all products.
struct LoopShares {
  WeightRows qkv, size, mlp;
};
TACIT_DEVICE LoopShares shares_of(const LoopPlan& plan) {
  return {rows_of(plan.qkv_size(), block(), blocks()), rows_of(plan.size, block(), blocks()),
          up_rows_of(plan, block(), blocks())};
}

// W: of the blocks' matrices, T or Int8. All else as in LoopBlock and LoopStream.
template <class T, class W, int kRows, bool kVector, bool kAll>
struct Loop : LoopBlock<T, kRows, kVector> {
  using Block = LoopBlock<T, kRows, kVector>;
  using Block::plan, Block::shared, Block::x, Block::second_x, Block::kWide, Block::kHoldsWeights, Block::kMany,
      Block::at_x, Block::few_at, Block::rows_from, Block::any_active, Block::row_of, Block::each_few, Block::zero_rest,
      Block::take_moments, Block::moments_of, Block::stage_norm, Block::normed, Block::norm_staged, Block::bias;
  using Numbers = typename Block::Numbers;
  const LoopShares& shares;  // in shared memory, as registers are few

  TACIT_DEVICE LoopAttention<T, kRows, kVector> attention() const { return {static_cast<const Block&>(*this)}; }
  TACIT_DEVICE LoopStream<T, kRows, kVector, kAll> stream() const { return {static_cast<const Block&>(*this)}; }

  TACIT_DEVICE void fetch_acts(int first, uint32_t tag) const {
    const int rows = rows_from(first), size = plan.mlp_size, stride = static_cast<int>(x_stride(size));
    receive<kWide, kMany>(plan.acts + int64_t{first} * size, rows * size, tag, [&](int i, const Numbers& few) {
      const int m = row_of(i, size);
      few_at(x(0) + m * stride + x_place(i - m * size)) = few;
    });
    zero_rest(rows, size, x(0));
  }

  // The norms that products of `phase` stand behind, to where they are read.
  TACIT_DEVICE void stage_norms(LoopPhase phase, const LayerPointers& now) const {
    stage_norm(phase == LoopPhase::mlp_in ? now.mlp_norm : now.attention_norm, 0);
    if (plan.parallel) stage_norm(now.mlp_norm, 1);
  }
  // x = what the phase's product reads; in a parallel block second_x = what the MLP's reads.
  TACIT_DEVICE void norm_inputs(int rows) const {
    if (!plan.parallel) return norm_staged(rows, 0);
    const Moments single = take_moments(rows);
    const int stride = static_cast<int>(plan.stride());
    each_few(rows, plan.size, [&](int, int m, int k) {
      const Numbers raw = at_x(m, k);
      const Moments of = moments_of(m, single);
      few_at(second_x(0) + m * stride + x_place(k)) = normed(raw, k, of, 1);
      at_x(m, k) = normed(raw, k, of, 0);
    });
    zero_rest(rows, plan.size, second_x(0));
  }

  // A product: which, of what, whereto.
  enum class Into { qkv, acts, delta, part_of_delta, rest_of_delta };
  struct Product {
    const void *weight, *bias_O;
    int inputs;
    WeightRows rows;
    const float* x;
    Into into;
  };
  TACIT_DEVICE Product product_of(LoopPhase phase, int number, const LayerPointers& now) const {
    const bool in = phase == LoopPhase::attention_in, out = phase == LoopPhase::attention_out;
    if (in && number == 0)
      return {now.query_key_value, now.query_key_value_bias, plan.size, shares.qkv, x(0), Into::qkv};
    if (in || phase == LoopPhase::mlp_in)
      return {now.up, now.up_bias, plan.size, shares.mlp, number == 0 ? x(0) : second_x(0), Into::acts};
    if (out && number == 0) {
      const Into into = plan.parallel ? Into::part_of_delta : Into::delta;
      return {now.out, now.out_bias, plan.query_size(), shares.size, x(0), into};
    }
    return {now.down, now.down_bias, plan.mlp_size, shares.size, x(0), number == 0 ? Into::delta : Into::rest_of_delta};
  }
  // Of the output that is the thread's first, of a single row.
  struct Biases {
    float value, second;
  };
  TACIT_DEVICE Biases fetch_biases(const Product& of) const {
    const int o = thread();
    if (o >= of.rows.count) return {0, 0};
    return {bias(of.bias_O, of.rows.first + o), of.rows.second < 0 ? 0 : bias(of.bias_O, of.rows.second + o)};
  }
  // The scales of int8, behind the matrix, and those of the thread's first output. Other weights have none: nothing is
  // loaded, and what stands here is not read.
  static constexpr bool kScaled = sizeof(W) == 1;
  struct Scales {
    const float* all_O;
    float value, second;
  };
  TACIT_DEVICE Scales fetch_scales(const Product& of) const {
    if constexpr (!kScaled) return {nullptr, 1, 1};
    const int outputs = of.into == Into::qkv ? plan.qkv_size() : of.into == Into::acts ? plan.up_size() : plan.size;
    const int64_t bytes = round_up(int64_t{outputs} * of.inputs, kScalesBoundary);
    Scales out = {reinterpret_cast<const float*>(static_cast<const char*>(of.weight) + bytes), 1, 1};
    const int o = thread();
    if (!kHoldsWeights || o >= of.rows.count) return out;
    out.value = load_one(out.all_O + of.rows.first + o);
    if (of.rows.second >= 0) out.second = load_one(out.all_O + of.rows.second + o);
    return out;
  }
  // Output i of a block's, number o of all, without bias: row m of what multiply() left.
  TACIT_DEVICE float product_at(const Product& of, int i, int m, const float* scale_O, int64_t o, bool is_first,
                                float fetched) const {
    const float total = product_total<W, kRows>(shared + plan.shared.results, of.inputs, i, m);
    if constexpr (!kScaled) return total;
    return total * (is_first ? fetched : load_one(scale_O + o));
  }
  TACIT_DEVICE void store(const Product& of, int first, uint32_t tag, const Biases& biases, const Scales& scales,
                          bool ends_step) const {
    // Keys and values of this step, which other blocks may read in the next: whoever sees the step's last numbers, and
    // flushes in turn, sees them.
    if (kAll && ends_step) flush_stores();
    TACIT_LOOP
    for (int i = thread(); i < of.rows.count * rows_from(first); i += kThreads) {
      const int m = row_of(i, of.rows.count), o = i - m * of.rows.count;
      const int64_t b = first + m, at = of.rows.first + o;
      const bool is_first = kHoldsWeights && i == thread();
      float value = product_at(of, o, m, scales.all_O, at, is_first, scales.value) +
                    (is_first ? biases.value : bias(of.bias_O, at));
      if (of.into == Into::acts) {
        value = activate(value, plan.activation);
        if (plan.gated)
          value *= product_at(of, of.rows.count + o, m, scales.all_O, of.rows.second + o, is_first, scales.second) +
                   (is_first ? biases.second : bias(of.bias_O, of.rows.second + o));
        store_tagged(plan.acts + b * plan.mlp_size + at, value, tag);
      } else if (of.into == Into::qkv) {
        store_tagged(plan.qkv + b * plan.qkv_size() + at, value, tag);
      } else {
        Tagged* const to = plan.delta + b * plan.size + at;
        if (of.into == Into::rest_of_delta) value += load_tagged(to).value;  // the thread's own
        store_tagged(to, value, of.into == Into::part_of_delta ? 0 : tag);
      }
    }
  }

  // attention_in, attention_out, mlp_in, mlp_out. `entered`: x holds the stream already. bring() asks for later
  // phases' weights.
  template <class Bring>
  TACIT_DEVICE void products(LoopPhase phase, int layer, const LayerPointers& now, const LayerPointers& before,
                             const Tags& tags, bool entered, const Bring& bring) const {
    const bool two = plan.parallel && (phase == LoopPhase::attention_in || phase == LoopPhase::attention_out);
    const bool loads = phase == LoopPhase::attention_in || phase == LoopPhase::mlp_in;
    TACIT_LOOP
    for (int first = 0; first < plan.rows; first += kRows) {
      const int rows = rows_from(first);
      if (!any_active(first, rows)) continue;
      TACIT_LOOP
      for (int number = 0; number < (two ? 2 : 1); ++number) {
        const Product product = product_of(phase, number, now);
        const W* const weight = static_cast<const W*>(product.weight);
        ItemWeights<W> ahead;
        if (kHoldsWeights) fetch_first_item<W, kVector>(ahead, weight, product.inputs, product.rows);
        const Biases biases = kHoldsWeights ? fetch_biases(product) : Biases{0, 0};
        const Scales scales = fetch_scales(product);
        if (first == 0 && number == 0) bring();
        if (loads) {
          if (number == 0) {
            stage_norms(phase, now);
            if (!entered)
              stream().enter_stream(phase, layer, first, tags.in, phase == LoopPhase::mlp_in ? now : before);
            norm_inputs(rows);
          }
        } else if (phase == LoopPhase::attention_out && number == 0) {
          attention().fetch_found(first, tags.in);
        } else {
          fetch_acts(first, tags.in);
        }
        sync_block();
        multiply<W, kRows, kVector, kHoldsWeights>(ahead, weight, product.inputs, product.rows, product.x,
                                                   shared + plan.shared.results);
        sync_block();
        const bool ends_layer = product.into == Into::rest_of_delta || phase == LoopPhase::mlp_out;
        store(product, first, tags.out, biases, scales, ends_layer && layer == plan.layers - 1);
      }
    }
  }
};

}  // namespace tacit::device
