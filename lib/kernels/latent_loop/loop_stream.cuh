#pragma once

#include "lib/kernels/latent_loop/loop_block.cuh"

namespace tacit::device {

// Between steps, for the rows from `first` on. Whoever may write leaves what goes out of the kernel: all blocks of the
// persistent kernel come to the same numbers, one writes them.
struct BetweenSteps {
  bool first_step;
  bool writes, proposes;
  uint32_t tag;  // of the last layer's delta
};

// The residual stream: what a layer finds of it, and what of it becomes the next step's input.
// kAll: of the steps in one launch, where the stream stays in shared memory.
template <class T, int kRows, bool kVector, bool kAll>
struct LoopStream : LoopBlock<T, kRows, kVector> {
  using Block = LoopBlock<T, kRows, kVector>;
  using Block::plan, Block::row, Block::shared, Block::x, Block::kWide, Block::at_x, Block::few_at, Block::rows_from,
      Block::row_of, Block::each_few, Block::zero_rest, Block::take_moments, Block::moments_of, Block::norm,
      Block::weights, Block::bias, Block::warp, Block::lane;
  using Numbers = typename Block::Numbers;

  TACIT_DEVICE float* stream() const { return shared + plan.shared.stream; }

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

  TACIT_DEVICE void between(int first, const LoopRequest& request, const LayerPointers& last,
                            const BetweenSteps& how) const {
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
  TACIT_DEVICE void propose(int first, int rows, const LoopRequest& request, const BetweenSteps& how) const {
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
