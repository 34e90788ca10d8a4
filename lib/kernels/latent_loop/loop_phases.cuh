#pragma once

#include "lib/kernels/latent_loop/loop_plan.cuh"

// The phases of a step, as the persistent kernel and the graph's kernels run them, over the same shares: their answers
// are bitwise the same.
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

// kRows: rows that share a fetch of the weights; more of them are worked off in groups.
template <class T, int kRows, bool kVector>
struct Loop {
  static_assert(kRows <= kMostRows, "a warp a row");
  const LoopPlan& plan;
  RowState* row;  // of all rows
  float* shared;

  TACIT_DEVICE float* x(int m) const { return shared + plan.shared.x + m * plan.stride(); }
  TACIT_DEVICE float* second_x(int m) const { return shared + plan.shared.second_x + m * plan.stride(); }
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

  // Leaves the moments of x's rows to all of the block, behind a barrier before and one after.
  TACIT_DEVICE void take_moments(int rows) const {
    sync_block();
    if (warp() < rows) {
      const Moments of = row_moments(x(warp()), plan.size, plan.layer_norm, plan.eps);
      if (lane() == 0) moments()[warp()] = of;
    }
    sync_block();
  }
  // x = norm(x); nothing where there is no norm. Whoever reads another thread's part syncs first.
  TACIT_DEVICE void norm(int rows, const LoopNorm& by) const {
    if (!by.weight) return;
    take_moments(rows);
    each_eight(rows, plan.size, [&](int m, int k) {
      write_eight(x(m), k, normed_eight<T, kVector>(read_eight(x(m), k), k, plan.size, moments()[m], weights(by)));
    });
  }

  // The stream that layer `layer` finds (attention_in), that its MLP finds (mlp_in), or that the last left (between:
  // layer = plan.layers), into x. `of`: the layer whose norms stand behind delta.
  TACIT_DEVICE void load_stream(LoopPhase phase, int layer, int first, int input, const LayerPointers& of) const {
    const int rows = rows_from(first);
    const Bases bases = bases_of(plan, phase, layer, input);
    const bool adds = layer > 0 || phase == LoopPhase::mlp_in;
    const LoopNorm post = !adds ? LoopNorm() : phase == LoopPhase::mlp_in ? of.attention_post_norm : of.mlp_post_norm;
    const float* const base = plan.base[bases.from] + first * plan.stride();
    const float* const delta = plan.delta + first * plan.stride();
    const auto load = [&](const float* array, int m, int k) {
      Eighth out;
      TACIT_UNROLL
      for (int half = 0; half < 2; ++half) {
        const Words4 words = load_written(static_cast<const void*>(array + m * plan.stride() + k + half * 4));
        TACIT_UNROLL
        for (int j = 0; j < 4; ++j)
          out.half[half].value[j] = k + half * 4 + j < plan.size ? as_float(words.word[j]) : 0;
      }
      return out;
    };
    if (post.weight) {
      each_eight(rows, plan.size, [&](int m, int k) { write_eight(x(m), k, load(delta, m, k)); });
      norm(rows, post);
    }
    each_eight(rows, plan.size, [&](int m, int k) {
      Eighth sum = load(base, m, k);
      if (adds) {
        Eighth added = post.weight ? read_eight(x(m), k) : load(delta, m, k);
        TACIT_UNROLL
        for (int j = 0; j < kEight; ++j) sum[j] += added[j];
      }
      write_eight(x(m), k, sum);
    });
    if (adds && phase != LoopPhase::mlp_in) norm(rows, of.stream_norm);
    if (bases.to >= 0) store_stream(first, bases.to, block(), blocks());
  }

  // Writes x to a base, block `sharer` of `sharers` its part of it.
  TACIT_DEVICE void store_stream(int first, int base, int sharer, int sharers) const {
    each_eight(rows_from(first), plan.size, [&](int m, int k) {
      if (k / kEight % sharers != sharer) return;
      const Eighth eight = read_eight(x(m), k);
      float* const to = plan.base[base] + (first + m) * plan.stride() + k;
      *reinterpret_cast<Float4*>(to) = eight.half[0];
      *reinterpret_cast<Float4*>(to + 4) = eight.half[1];
    });
  }

  // Rows of `inputs` floats into x.
  template <class Value>
  TACIT_DEVICE void fetch(int rows, int inputs, const Value& value) const {
    const int stride = static_cast<int>(x_stride(inputs));
    float* const to = shared + plan.shared.x;
    for (int i = thread(); i < rows * stride; i += kThreads) {
      const int m = i / stride, k = i % stride;
      to[m * stride + x_place(k)] = k < inputs ? value(m, k) : 0;
    }
  }
  // What attention found, its parts put together.
  TACIT_DEVICE void fetch_found(int first) const {
    const int rows = rows_from(first);
    float* const factors = shared + plan.shared.factors;
    const auto splits = [&](int m) { return row[first + m].active ? splits_of(row[first + m].position + 1) : 0; };
    for (int i = thread(); i < rows * plan.heads; i += kThreads) {
      split_factors(plan.found_pairs + (int64_t{first} * plan.heads + i) * kMostSplits * 2, splits(i / plan.heads),
                    factors + i * kMostSplits);
    }
    sync_block();
    fetch(rows, plan.query_size(), [&](int m, int k) {
      const int head = k / plan.head_size, e = k % plan.head_size, parts = splits(m);
      const int64_t at = (int64_t{first} + m) * plan.heads + head;
      const float* const factor = factors + (m * plan.heads + head) * kMostSplits;
      float total = 0;
      for (int s = 0; s < parts; ++s)
        total += factor[s] * load_written(plan.found + (at * kMostSplits + s) * plan.head_size + e);
      return total;
    });
  }
  TACIT_DEVICE void fetch_acts(int first) const {
    fetch(rows_from(first), plan.mlp_size,
          [&](int m, int k) { return load_written(plan.acts + (first + m) * int64_t{plan.mlp_size} + k); });
  }

  // x = what the attention's product reads; with a parallel block second_x = what the MLP's reads.
  TACIT_DEVICE void norm_inputs(int rows, const LayerPointers& now) const {
    if (!plan.parallel) return norm(rows, now.attention_norm);
    take_moments(rows);
    each_eight(rows, plan.size, [&](int m, int k) {
      const Eighth raw = read_eight(x(m), k);
      const auto normed = [&](const LoopNorm& by) {
        return by.weight ? normed_eight<T, kVector>(raw, k, plan.size, moments()[m], weights(by)) : raw;
      };
      write_eight(second_x(m), k, normed(now.mlp_norm));
      write_eight(x(m), k, normed(now.attention_norm));
    });
  }

  // A product: which, of what, whereto.
  enum class Into { qkv, acts, delta, added_to_delta };
  struct Product {
    const void *weight, *bias_O;
    int inputs;
    WeightRows rows;
    const float* x;
    Into into;
  };
  TACIT_DEVICE Product product_of(LoopPhase phase, int number, const LayerPointers& now) const {
    float* const from = shared + plan.shared.x;
    if (phase == LoopPhase::attention_in && number == 0)
      return {now.query_key_value,
              now.query_key_value_bias,
              plan.size,
              rows_of(plan.qkv_size(), block(), blocks()),
              from,
              Into::qkv};
    if (phase == LoopPhase::attention_in || phase == LoopPhase::mlp_in)
      return {now.up,    now.up_bias, plan.size, up_rows_of(plan, block(), blocks()), number == 0 ? from : second_x(0),
              Into::acts};
    const WeightRows rows = rows_of(plan.size, block(), blocks());
    if (phase == LoopPhase::attention_out && number == 0)
      return {now.out, now.out_bias, plan.query_size(), rows, from, Into::delta};
    return {now.down, now.down_bias, plan.mlp_size, rows, from, number == 0 ? Into::delta : Into::added_to_delta};
  }
  TACIT_DEVICE void store(const Product& of, int first) const {
    const float* const results = shared + plan.shared.results;
    for (int i = thread(); i < of.rows.count * rows_from(first); i += kThreads) {
      const int o = i % of.rows.count, m = i / of.rows.count;
      const int64_t b = first + m, at = of.rows.first + o;
      const auto total = [&](int output) {
        return product_total<kRows>(results, of.rows.outputs(), of.inputs, output, m) +
               bias(of.bias_O, of.rows.row(output));
      };
      float value = total(o);
      if (of.into == Into::acts) {
        value = activate(value, plan.activation);
        if (plan.gated) value *= total(of.rows.count + o);
        plan.acts[b * plan.mlp_size + at] = value;
      } else if (of.into == Into::qkv) {
        plan.qkv[b * plan.qkv_size() + at] = value;
      } else {
        float* const to = plan.delta + b * plan.stride() + at;
        *to = of.into == Into::delta ? value : *to + value;  // the thread's own
      }
    }
  }

  // attention_in, attention_out, mlp_in, mlp_out. `entered`: x holds the stream already.
  TACIT_DEVICE void products(LoopPhase phase, int layer, const LayerPointers& now, const LayerPointers& before,
                             int input, bool entered) const {
    const bool two = plan.parallel && (phase == LoopPhase::attention_in || phase == LoopPhase::attention_out);
    const bool loads = phase == LoopPhase::attention_in || phase == LoopPhase::mlp_in;
    for (int first = 0; first < plan.rows; first += kRows) {
      const int rows = rows_from(first);
      if (!any_active(first, rows)) continue;
      for (int number = 0; number < (two ? 2 : 1); ++number) {
        if (loads) {
          if (number == 0) {
            if (!entered) load_stream(phase, layer, first, input, phase == LoopPhase::mlp_in ? now : before);
            if (phase == LoopPhase::attention_in)
              norm_inputs(rows, now);
            else
              norm(rows, now.mlp_norm);
          }
        } else if (phase == LoopPhase::attention_out && number == 0) {
          fetch_found(first);
        } else {
          fetch_acts(first);
        }
        sync_block();
        const Product product = product_of(phase, number, now);
        multiply<T, kRows, kVector>(static_cast<const T*>(product.weight), product.inputs, product.rows, product.x,
                                    shared + plan.shared.results);
        sync_block();
        store(product, first);
        sync_block();
      }
    }
  }

  TACIT_DEVICE void attention(const LayerPointers& now) const {
    const int units = plan.rows * plan.heads * kMostSplits;
    for (int unit = block(); unit < units; unit += blocks()) {  // rows and heads first: most rows have few parts
      const int head = unit % plan.heads, b = unit / plan.heads % plan.rows, split = unit / plan.heads / plan.rows;
      if (row[b].active && split < splits_of(row[b].position + 1)) attend(b, head, split, now);
    }
  }

  TACIT_DEVICE void attend(int b, int head, int split, const LayerPointers& now) const {
    const int size = plan.head_size, padded = static_cast<int>(round_up(size, kEight));
    const int group = plan.heads / plan.kv_heads, kv_head = head / group, position = row[b].position;
    float* const raw = shared + plan.shared.x;  // query and key before rotation
    float* const ready = raw + 2 * padded;      // query, key, value
    const int64_t width = split_columns(position + 1), begin = split * width;
    const int64_t end = begin + width < position + 1 ? begin + width : position + 1;
    norm_heads(b, head, kv_head, raw, ready + 2 * padded, now);
    sync_block();
    T* const k_CE = static_cast<T*>(now.k_BGCE) + (int64_t{b} * plan.kv_heads + kv_head) * plan.columns * size;
    T* const v_CE = static_cast<T*>(now.v_BGCE) + (int64_t{b} * plan.kv_heads + kv_head) * plan.columns * size;
    const bool stores = end == position + 1 && head % group == 0;
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
    Columns<T> columns;
    columns.k_CE = k_CE;
    columns.v_CE = v_CE;
    columns.key_size = columns.value_size = size;
    columns.begin = begin;
    columns.end = end;
    columns.own = position;
    columns.own_k = ready + padded;
    columns.own_v = ready + 2 * padded;
    const int64_t part = (int64_t{b} * plan.heads + head) * kMostSplits + split;
    attend_columns<T, 1, kVector>(ready, columns, ready + 3 * padded, plan.found + part * size,
                                  plan.found_pairs + part * 2);
  }

  // A warp each: query and key of a head, normed where there is such a norm, to raw; the value, rounded, to value_E.
  TACIT_DEVICE void norm_heads(int b, int head, int kv_head, float* raw, float* value_E,
                               const LayerPointers& now) const {
    const int size = plan.head_size, padded = static_cast<int>(round_up(size, kEight));
    if (warp() > 2) return;
    const int at = warp() == 0 ? head : plan.heads + (warp() - 1) * plan.kv_heads + kv_head;
    const float* const from = plan.qkv + b * int64_t{plan.qkv_size()} + at * size;
    float* const to = warp() == 2 ? value_E : raw + warp() * padded;
    const void* const by = warp() == 0 ? now.query_norm.weight : warp() == 1 ? now.key_norm.weight : nullptr;
    float squares = 0;
    for (int e = lane(); e < size; e += kLanes) {
      const float value = load_written(from + e);
      squares += value * value;
    }
    const float factor = reciprocal_root(warp_total(squares) / static_cast<float>(size) + plan.eps);
    for (int e = lane(); e < padded; e += kLanes) {
      float value = e < size ? load_written(from + e) : 0;
      if (by && e < size) value *= factor * load_one(static_cast<const T*>(by) + e);
      to[e] = warp() == 2 ? rounded<T>(value) : value;
    }
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
    int from, to;  // bases of the last step's input and the next's
    int sharer, sharers;
    bool writes, proposes;
  };
  TACIT_DEVICE void between(int first, const LoopRequest& request, const LayerPointers& last,
                            const Between& how) const {
    const int rows = rows_from(first);
    if (!how.first_step) {
      load_stream(LoopPhase::between, plan.layers, first, how.from, last);
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
    sync_block();
  }

  // x, a hidden state, becomes the next step's input, unless the row halts or has no column left.
  TACIT_DEVICE void propose(int first, int rows, const LoopRequest& request, const Between& how) const {
    const bool has_norm = plan.final_norm.weight, feeds_norm = plan.feed_normed && !how.first_step && has_norm;
    if (has_norm && (feeds_norm || plan.halt_D))
      take_moments(rows);
    else
      sync_block();
    const auto normed = [&](int m, int k) {
      Eighth out = read_eight(x(m), k);
      if (has_norm) out = normed_eight<T, kVector>(out, k, plan.size, moments()[m], weights(plan.final_norm));
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
    store_stream(first, how.to, how.sharer, how.sharers);  // each thread its own eights
    sync_block();
  }
};

}  // namespace tacit::device
