#pragma once

#include "lib/kernels/device/tagged_numbers.cuh"
#include "lib/kernels/latent_loop/loop_plan.cuh"

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

// What a phase receives and what it tells; 0 in the graph's kernels.
struct Tags {
  uint32_t in, out;
};

// A block's shares of the outputs of all products.
struct LoopShares {
  WeightRows qkv, size, mlp;
};
TACIT_DEVICE LoopShares shares_of(const LoopPlan& plan) {
  return {rows_of(plan.qkv_size(), block(), blocks()), rows_of(plan.size, block(), blocks()),
          up_rows_of(plan, block(), blocks())};
}

// W: of the blocks' matrices, T or Int8. T: of all else in memory.
// kRows: rows that share a fetch of the weights; more of them are worked off in groups.
// kAll: of the steps in one launch, where the stream stays in shared memory.
template <class T, class W, int kRows, bool kVector, bool kAll>
struct Loop {
  static_assert(kRows <= kMostRows, "a warp a row");
  const LoopPlan& plan;
  RowState* row;  // of all rows
  float* shared;
  const LoopShares& shares;  // in shared memory, as registers are few

  TACIT_DEVICE float* x(int m) const { return shared + plan.shared.x + m * static_cast<int>(plan.stride()); }
  TACIT_DEVICE float* second_x(int m) const {
    return shared + plan.shared.second_x + m * static_cast<int>(plan.stride());
  }
  static constexpr int kWide = kVector ? 4 : 1;  // neighbours lie together in x, too
  // With more rows there are no registers left to hold weights while a phase waits, nor much of what it waits for.
  static constexpr bool kHoldsWeights = kRows == 1;
  static constexpr int kMany = kRows == 1 ? 12 : 4;
  using Numbers = Few<kWide>;
  static TACIT_DEVICE Numbers& few_at(float* place) { return *reinterpret_cast<Numbers*>(place); }
  static TACIT_DEVICE const Numbers& few_at(const float* place) { return *reinterpret_cast<const Numbers*>(place); }
  TACIT_DEVICE Numbers& at_x(int m, int k) const { return few_at(x(m) + x_place(k)); }
  TACIT_DEVICE float* stream() const { return shared + plan.shared.stream; }
  TACIT_DEVICE float* norms(int number) const {  // weights, then biases
    return shared + plan.shared.norms + number * 2 * static_cast<int>(plan.stride());
  }
  TACIT_DEVICE Moments* moments() const { return reinterpret_cast<Moments*>(shared + plan.shared.moments); }
  TACIT_DEVICE int warp() const { return thread() / kLanes; }
  TACIT_DEVICE int lane() const { return thread() % kLanes; }
  TACIT_DEVICE int rows_from(int first) const { return plan.rows - first < kRows ? plan.rows - first : kRows; }
  TACIT_DEVICE bool any_active(int first, int rows) const {
    bool any = false;
    for (int m = 0; m < rows; ++m) any = any || row[first + m].active;
    return any;
  }
  static TACIT_DEVICE NormWeights<T> weights(const LoopNorm& norm) {
    return {static_cast<const T*>(norm.weight), static_cast<const T*>(norm.bias)};
  }
  static TACIT_DEVICE float bias(const void* bias_O, int64_t o) {
    return bias_O ? load_one(static_cast<const T*>(bias_O) + o) : 0;
  }

  static TACIT_DEVICE int row_of(int i, int size) { return kRows == 1 ? 0 : i / size; }
  // Calls work(i, m, k) for every kWide elements of `rows` rows of `size`, i = m * size + k, each thread its own.
  template <class Work>
  TACIT_DEVICE void each_few(int rows, int size, const Work& work) const {
    TACIT_LOOP
    for (int i = thread() * kWide; i < rows * size; i += kThreads * kWide) {
      const int m = row_of(i, size);
      work(i, m, i - m * size);
    }
  }
  // Behind `inputs` elements of each row of x, as the products read them.
  TACIT_DEVICE void zero_rest(int rows, int inputs, float* to) const {
    const int stride = static_cast<int>(x_stride(inputs));
    if (inputs == stride) return;
    TACIT_LOOP
    for (int i = thread(); i < rows * (stride - inputs); i += kThreads) {
      const int m = row_of(i, stride - inputs);
      to[m * stride + x_place(inputs + i - m * (stride - inputs))] = 0;
    }
  }

  // Of x's rows, between two barriers: x may be written over behind them. Of a single row every warp takes them for
  // itself.
  TACIT_DEVICE Moments take_moments(int rows) const {
    sync_block();
    Moments of = {};
    if (kRows == 1 || warp() < rows) of = row_moments(x(kRows == 1 ? 0 : warp()), plan.size, plan.layer_norm, plan.eps);
    if (kRows > 1 && warp() < rows && lane() == 0) moments()[warp()] = of;
    sync_block();
    return of;
  }
  TACIT_DEVICE Moments moments_of(int m, const Moments& single) const { return kRows == 1 ? single : moments()[m]; }

  // kWide of a vector of weights; zeros of none.
  static TACIT_DEVICE Numbers few_of(const void* vector, int k) {
    struct alignas(sizeof(T) * kWide) Raw {
      T value[kWide];
    };
    Numbers out = {};
    if (!vector) return out;
    const Raw raw = *reinterpret_cast<const Raw*>(static_cast<const T*>(vector) + k);
    TACIT_UNROLL
    for (int j = 0; j < kWide; ++j) out.value[j] = widen(raw.value[j]);
    return out;
  }
  // Brings a norm's weights to norms(number).
  TACIT_DEVICE void stage_norm(const LoopNorm& norm, int number) const {
    each_few(1, plan.size, [&](int, int, int k) {
      few_at(norms(number) + k) = few_of(norm.weight, k);
      few_at(norms(number) + plan.stride() + k) = few_of(norm.bias, k);
    });
  }
  TACIT_DEVICE Numbers normed(const Numbers& x, int k, const Moments& of, int number) const {
    const Numbers &weight = few_at(norms(number) + k), &bias = few_at(norms(number) + plan.stride() + k);
    Numbers out;
    TACIT_UNROLL
    for (int j = 0; j < kWide; ++j) out.value[j] = (x.value[j] - of.mean) * of.factor * weight.value[j] + bias.value[j];
    return out;
  }
  // x = norm(x), whose weights were staged: the thread's own elements. Whoever reads others syncs first.
  TACIT_DEVICE void norm_staged(int rows, int number) const {
    const Moments single = take_moments(rows);
    each_few(rows, plan.size,
             [&](int, int m, int k) { at_x(m, k) = normed(at_x(m, k), k, moments_of(m, single), number); });
  }
  // The same by weights that were not; nothing where there is no norm.
  TACIT_DEVICE void norm(int rows, const LoopNorm& by) const {
    if (!by.weight) return;
    const Moments single = take_moments(rows);
    each_few(rows, plan.size, [&](int, int m, int k) {
      const Moments of = moments_of(m, single);
      const Numbers weight = few_of(by.weight, k), shift = few_of(by.bias, k);
      Numbers& x = at_x(m, k);
      TACIT_UNROLL
      for (int j = 0; j < kWide; ++j)
        x.value[j] = (x.value[j] - of.mean) * of.factor * weight.value[j] + shift.value[j];
    });
  }

  // The stream that layer `layer` finds (attention_in), that its MLP finds (mlp_in), or that the last left (between:
  // layer = plan.layers), into x, each thread its own elements. `of`: the layer whose norms stand behind delta.
  TACIT_DEVICE void enter_stream(LoopPhase phase, int layer, int first, uint32_t tag, const LayerPointers& of) const {
    const int rows = rows_from(first), size = plan.size;
    const bool adds = layer > 0 || phase == LoopPhase::mlp_in;
    const LoopNorm post = !adds ? LoopNorm() : phase == LoopPhase::mlp_in ? of.attention_post_norm : of.mlp_post_norm;
    const Bases bases = kAll ? Bases{-1, -1} : bases_of(plan, phase, layer);
    const float* const base = kAll ? nullptr : plan.base[bases.from] + first * plan.stride();
    const auto enter = [&](int i, const Numbers& added) {
      const int m = row_of(i, size), k = i - m * size;
      Numbers sum = few_at(kAll ? stream() + i : base + m * plan.stride() + k);
      TACIT_UNROLL
      for (int j = 0; adds && j < kWide; ++j) sum.value[j] += added.value[j];
      at_x(m, k) = sum;
      if (kAll) few_at(stream() + i) = sum;
    };
    if (!adds) {
      each_few(rows, size, [&](int i, int, int) { enter(i, {}); });
    } else {
      receive<kWide, 4>(plan.delta + int64_t{first} * size, rows * size, tag, [&](int i, const Numbers& few) {
        if (!post.weight) return enter(i, few);
        const int m = row_of(i, size);
        at_x(m, i - m * size) = few;
      });
      if (post.weight) {
        norm(rows, post);
        each_few(rows, size, [&](int i, int m, int k) { enter(i, at_x(m, k)); });
      }
    }
    if (adds && phase != LoopPhase::mlp_in && of.stream_norm.weight) {
      norm(rows, of.stream_norm);
      if (kAll) each_few(rows, size, [&](int i, int m, int k) { few_at(stream() + i) = at_x(m, k); });
    }
    zero_rest(rows, size, x(0));
    if (bases.to < 0) return;
    each_few(rows, size, [&](int, int m, int k) {
      if (k / kEight % blocks() == block()) few_at(plan.base[bases.to] + (first + m) * plan.stride() + k) = at_x(m, k);
    });
  }

  // What attention found, its parts put together: kOwn elements of at most kParts parts at once.
  template <int kOwn, int kParts, class PartsOf>
  TACIT_DEVICE void fetch_parts(int first, int rows, uint32_t tag, const PartsOf& parts_of) const {
    const int size = plan.query_size(), stride = static_cast<int>(x_stride(size)), count = rows * size;
    TACIT_LOOP
    for (int begin = thread(); begin - thread() < count; begin += kThreads * kOwn) {
      Tagged got[kOwn][kParts];
      int parts[kOwn];
      TACIT_UNROLL
      for (int n = 0; n < kOwn; ++n) {
        const int i = begin + n * kThreads;
        parts[n] = i < count ? parts_of(row_of(i, size)) : 0;
      }
      const Tagged* const values = plan.found + (int64_t{first} * size + begin) * kMostSplits;
      const auto load = [&] {
        TACIT_UNROLL
        for (int n = 0; n < kOwn; ++n) {
          TACIT_UNROLL
          for (int s = 0; s < kParts; ++s) {
            if (s < parts[n]) got[n][s] = load_tagged(values + n * kThreads * kMostSplits + s);
          }
        }
      };
      load();
      if (begin == thread()) {
        receive_pairs(first, rows, tag, parts_of);
        sync_block();
      }
      while (tag != 0) {
        const Tagged* missing = nullptr;
        TACIT_UNROLL
        for (int n = 0; n < kOwn; ++n) {
          TACIT_UNROLL
          for (int s = 0; s < kParts; ++s) {
            if (s < parts[n] && got[n][s].tag != tag) missing = values + n * kThreads * kMostSplits + s;
          }
        }
        if (!missing) break;
        wait_for(missing, tag);
        load();
      }
      TACIT_UNROLL
      for (int n = 0; n < kOwn; ++n) {
        const int i = begin + n * kThreads;
        if (i >= count) continue;
        const int m = row_of(i, size), k = i - m * size;
        const float* const pairs = part_pairs() + (m * plan.heads + k / plan.head_size) * kMostSplits * 2;
        float largest = -infinity(), sum = 0, total = 0;
        TACIT_LOOP
        for (int s = 0; s < parts[n]; ++s) largest = fmaxf(largest, pairs[2 * s]);
        TACIT_UNROLL
        for (int s = 0; s < kParts; ++s) {
          if (s >= parts[n]) continue;
          const float weight = weight_of(pairs[2 * s], largest);
          sum += weight * pairs[2 * s + 1];
          total += weight * got[n][s].value;
        }
        x(0)[m * stride + x_place(k)] = sum > 0 ? total / sum : 0;
      }
    }
  }
  // Of every row, head and part: the largest score and the sum, to shared memory.
  TACIT_DEVICE float* part_pairs() const { return shared + plan.shared.pairs; }
  template <class PartsOf>
  TACIT_DEVICE void receive_pairs(int first, int rows, uint32_t tag, const PartsOf& parts_of) const {
    const int count = rows * plan.heads * kMostSplits;
    TACIT_LOOP
    for (int i = thread(); i < count; i += kThreads) {
      if (i % kMostSplits >= parts_of(row_of(i, plan.heads * kMostSplits))) continue;
      const TaggedPair* const from = plan.found_pairs + int64_t{first} * plan.heads * kMostSplits + i;
      TaggedPair pair = load_tagged(from);
      while (tag != 0 && (pair.first.tag != tag || pair.second.tag != tag)) {
        wait_for(pair.first.tag != tag ? &from->first : &from->second, tag);
        pair = load_tagged(from);
      }
      part_pairs()[2 * i] = pair.first.value;
      part_pairs()[2 * i + 1] = pair.second.value;
    }
  }
  TACIT_DEVICE void fetch_found(int first, uint32_t tag) const {
    constexpr int kFew = 3;
    const int rows = rows_from(first);
    const auto parts_of = [&](int m) { return row[first + m].active ? splits_of(row[first + m].position + 1) : 0; };
    int most = 0;
    for (int m = 0; m < rows; ++m) most = parts_of(m) > most ? parts_of(m) : most;
    if (kHoldsWeights && most <= kFew)
      fetch_parts<3, kFew>(first, rows, tag, parts_of);
    else
      fetch_parts<1, kMostSplits>(first, rows, tag, parts_of);
    zero_rest(rows, plan.query_size(), x(0));
  }
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
            if (!entered) enter_stream(phase, layer, first, tags.in, phase == LoopPhase::mlp_in ? now : before);
            norm_inputs(rows);
          }
        } else if (phase == LoopPhase::attention_out && number == 0) {
          fetch_found(first, tags.in);
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

  TACIT_DEVICE void attention(const LayerPointers& now, const Tags& tags) const {
    const int units = plan.rows * plan.heads * kMostSplits;
    TACIT_LOOP
    for (int unit = block(); unit < units; unit += blocks()) {  // rows and heads first: most rows have few parts
      const int pair = unit / plan.heads, head = unit - pair * plan.heads, b = pair % plan.rows,
                split = pair / plan.rows;
      if (row[b].active && split < splits_of(row[b].position + 1)) attend(b, head, split, now, tags);
    }
  }

  // Where a row's keys and values of a head are stored.
  TACIT_DEVICE int64_t stored_at(int b, int kv_head) const {
    return (int64_t{b} * plan.kv_heads + kv_head) * plan.columns * plan.head_size;
  }

  TACIT_DEVICE void attend(int b, int head, int split, const LayerPointers& now, const Tags& tags) const {
    const int size = plan.head_size, padded = static_cast<int>(round_up(size, kEight));
    const int group = plan.heads / plan.kv_heads, kv_head = head / group, position = row[b].position;
    float* const raw = shared + plan.shared.x;  // query and key before rotation
    float* const ready = raw + 2 * padded;      // query, key, value
    const int64_t width = split_columns(position + 1), begin = split * width;
    const int64_t end = begin + width < position + 1 ? begin + width : position + 1;
    T* const k_CE = static_cast<T*>(now.k_BGCE) + stored_at(b, kv_head);
    T* const v_CE = static_cast<T*>(now.v_BGCE) + stored_at(b, kv_head);
    Columns<T> columns;
    columns.k_CE = k_CE;
    columns.v_CE = v_CE;
    columns.key_size = columns.value_size = size;
    columns.begin = begin;
    columns.end = end;
    columns.own = position;
    columns.own_k = ready + padded;
    columns.own_v = ready + 2 * padded;
    FetchedColumns<T, 1> fetched;
    fetch_columns<T, 1, kVector>(fetched, columns, ColumnLanes<1>(columns), begin);
    receive_heads(b, head, kv_head, raw, ready + 2 * padded, now, tags.in);
    sync_block();
    const bool stores = end == position + 1 && head % group == 0;
    TACIT_LOOP
    for (int e = thread(); e < padded; e += kThreads) {
      const float q = e < size ? rotated(raw, e, position) : 0;
      const float k = e < size ? rounded<T>(rotated(raw + padded, e, position)) : 0;
      ready[e] = q * plan.attention_scale;
      ready[padded + e] = k;
      if (!stores || e >= size) continue;
      k_CE[int64_t{position} * size + e] = narrow<T>(k);
      v_CE[int64_t{position} * size + e] = narrow<T>(ready[2 * padded + e]);
    }
    sync_block();
    const int64_t place = int64_t{b} * plan.heads + head;
    attend_columns<T, 1, kVector>(
        ready, columns, fetched, ready + 3 * padded,
        [&](int e, float value) {
          store_tagged(plan.found + (place * size + e) * kMostSplits + split, value, tags.out);
        },
        [&](float largest, float sum) {
          store_tagged(plan.found_pairs + place * kMostSplits + split, largest, sum, tags.out);
        });
  }

  // A warp each: query and key of a head, normed where there is such a norm, to raw; the value, rounded, to value_E.
  TACIT_DEVICE void receive_heads(int b, int head, int kv_head, float* raw, float* value_E, const LayerPointers& now,
                                  uint32_t tag) const {
    const int size = plan.head_size, padded = static_cast<int>(round_up(size, kEight));
    if (warp() > 2) return;
    const int at = warp() == 0 ? head : plan.heads + (warp() - 1) * plan.kv_heads + kv_head;
    float* const to = warp() == 2 ? value_E : raw + warp() * padded;
    const void* const by = warp() == 0 ? now.query_norm.weight : warp() == 1 ? now.key_norm.weight : nullptr;
    float squares = 0;
    receive_every<1, 2>(lane(), kLanes, plan.qkv + b * int64_t{plan.qkv_size()} + at * size, size, tag,
                        [&](int e, const Few<1>& one) {
                          squares += one.value[0] * one.value[0];
                          to[e] = warp() == 2 ? rounded<T>(one.value[0]) : one.value[0];
                        });
    for (int e = size + lane(); e < padded; e += kLanes) to[e] = 0;
    if (!by) return;
    const float factor = reciprocal_root(warp_total(squares) / static_cast<float>(size) + plan.eps);
    for (int e = lane(); e < size; e += kLanes) to[e] *= factor * load_one(static_cast<const T*>(by) + e);
  }

  TACIT_DEVICE float rotated(const float* x_E, int e, int position) const {
    const int size = plan.rotary_size;
    if (e >= size) return x_E[e];
    const int64_t at = int64_t{position} * size + e;
    const bool first = plan.rotary_interleaved ? e % 2 == 0 : e < size / 2;
    const int distance = plan.rotary_interleaved ? 1 : size / 2;
    const float turned = first ? -x_E[e + distance] : x_E[e - distance];
    return x_E[e] * plan.cos_PE[at] + turned * plan.sin_PE[at];
  }

  // Between steps, for the rows from `first` on. Whoever may write leaves what goes out of the kernel: all blocks of
  // the persistent kernel come to the same numbers, one writes them.
  struct Between {
    bool first_step;
    bool writes, proposes;
    uint32_t tag;  // of the last layer's delta
  };
  TACIT_DEVICE void between(int first, const LoopRequest& request, const LayerPointers& last,
                            const Between& how) const {
    const int rows = rows_from(first);
    if (!how.first_step) {
      enter_stream(LoopPhase::between, plan.layers, first, how.tag, last);
      if (kAll) flush_stores();
      sync_block();
      finish(first, rows, request, how.writes);
    } else if (plan.halt_D) {
      load_rows(first, rows, request.hidden_BD);
    }
    if (how.proposes) propose(first, rows, request, how);
  }
  TACIT_DEVICE void load_rows(int first, int rows, const void* from_BD) const {
    each_eight(rows, plan.size, [&](int m, int k) {
      if (!row[first + m].active) return;
      const T* const from = static_cast<const T*>(from_BD) + (first + m) * int64_t{plan.size};
      const Eight<T> eight = load_eight<Source::written, kVector>(from, k, plan.size);
      Eighth wide;
      TACIT_UNROLL
      for (int j = 0; j < kEight; ++j) wide[j] = eight[j];
      write_eight(x(m), k, wide);
    });
  }

  // x, the stream after the last block, becomes the row's hidden state; the row has taken a step.
  TACIT_DEVICE void finish(int first, int rows, const LoopRequest& request, bool writes) const {
    each_eight(rows, plan.size, [&](int m, int k) {
      if (!row[first + m].active) return;
      T* const to = static_cast<T*>(request.hidden_BD) + (first + m) * int64_t{plan.size};
      Eighth eight = read_eight(x(m), k);
      TACIT_UNROLL
      for (int j = 0; j < kEight; ++j) {
        const T narrowed = narrow<T>(eight[j]);
        eight[j] = widen(narrowed);
        if (writes && k + j < plan.size) to[k + j] = narrowed;
      }
      write_eight(x(m), k, eight);
    });
    sync_block();  // everyone has read `active`
    if (thread() < rows && row[first + thread()].active) {
      RowState& state = row[first + thread()];
      ++state.steps;
      ++state.position;
      if (writes && request.steps_B) request.steps_B[first + thread()] = state.steps;
    }
  }

  // x, a hidden state, becomes the next step's input, unless the row halts or has no column left.
  TACIT_DEVICE void propose(int first, int rows, const LoopRequest& request, const Between& how) const {
    const bool has_norm = plan.final_norm.weight, feeds_norm = plan.feed_normed && !how.first_step && has_norm;
    Moments single = {};
    if (has_norm && (feeds_norm || plan.halt_D))
      single = take_moments(rows);
    else
      sync_block();
    const auto normed = [&](int m, int k) {
      Eighth out = read_eight(x(m), k);
      if (has_norm) out = normed_eight<T, kVector>(out, k, plan.size, moments_of(m, single), weights(plan.final_norm));
      return out;
    };
    if (warp() < rows) {
      float logit = 0;
      if (plan.halt_D) {
        for (int k = lane() * kEight; k < plan.size; k += kChunk) {
          Eighth value = normed(warp(), k);
          const Eight<T> w = load_eight<Source::constant, kVector>(static_cast<const T*>(plan.halt_D), k, plan.size);
          TACIT_UNROLL
          for (int j = 0; j < kEight; ++j) logit += w[j] * rounded<T>(value[j]);
        }
        logit = warp_total(logit) + bias(plan.halt_bias, 0);
      }
      if (lane() == 0) {
        RowState& state = row[first + warp()];
        const bool halts = plan.halt_D && 1 / (1 + expf(-logit)) > plan.halt_threshold;
        if (halts || state.steps >= request.steps || state.position >= plan.columns) state.active = 0;
      }
    }
    sync_block();
    if (how.first_step) load_rows(first, rows, request.x_BD);  // each thread its own eights, as below
    each_eight(rows, plan.size, [&](int m, int k) {
      const int64_t b = first + m;
      const RowState state = row[b];
      if (!state.active) return;
      Eighth eight = feeds_norm ? normed(m, k) : read_eight(x(m), k);
      T* const trace_D = static_cast<T*>(request.trace_BND) + (b * request.steps + state.steps) * plan.size;
      const T* const position_D = static_cast<const T*>(plan.positions_PD) + int64_t{state.position} * plan.size;
      TACIT_UNROLL
      for (int j = 0; j < kEight; ++j) {
        if (k + j >= plan.size) continue;
        const T narrowed = narrow<T>(eight[j]);
        eight[j] = widen(narrowed);
        if (how.writes && request.trace_BND) trace_D[k + j] = narrowed;
        if (plan.positions_PD) eight[j] += load_one(position_D + k + j);
      }
      write_eight(x(m), k, eight);
    });
    sync_block();
    each_few(rows, plan.size, [&](int i, int m, int k) {
      few_at(kAll ? stream() + i : plan.base[kInputBase] + (first + m) * plan.stride() + k) = at_x(m, k);
    });
  }
};

}  // namespace tacit::device
