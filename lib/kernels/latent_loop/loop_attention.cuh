#pragma once

#include "lib/kernels/latent_loop/loop_block.cuh"

namespace tacit::device {

// Attention of a step: the stored columns in parts, and the parts put together.
template <class T, int kRows, bool kVector>
struct LoopAttention : LoopBlock<T, kRows, kVector> {
  using Block = LoopBlock<T, kRows, kVector>;
  using Block::plan, Block::row, Block::shared, Block::x, Block::kHoldsWeights, Block::warp, Block::lane,
      Block::rows_from, Block::row_of, Block::zero_rest, Block::stored_at;

  TACIT_DEVICE void attend(const LayerPointers& now, const Tags& tags) const {
    const int units = plan.rows * plan.heads * kMostSplits;
    TACIT_LOOP
    for (int unit = block(); unit < units; unit += blocks()) {  // rows and heads first: most rows have few parts
      const int pair = unit / plan.heads, head = unit - pair * plan.heads, b = pair % plan.rows,
                split = pair / plan.rows;
      if (row[b].active && split < splits_of(row[b].position + 1)) attend_part(b, head, split, now, tags);
    }
  }

  TACIT_DEVICE void attend_part(int b, int head, int split, const LayerPointers& now, const Tags& tags) const {
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
};

}  // namespace tacit::device
