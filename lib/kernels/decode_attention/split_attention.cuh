#pragma once

#include "lib/kernels/decode_attention/decode_attention.h"
#include "lib/kernels/device/column_attention.cuh"

// decode_attention in two kernels: a block for each part of a row's columns and each head, then a block a head that
// puts the parts together.
namespace tacit::device {

struct SplitPlan {
  DecodeAttentionArgs args;
  int splits;            // of a row that has stored all its columns
  float *found, *pairs;  // [B, H, splits, E'] and [B, H, splits, 2]
};

TACIT_BOTH int64_t split_floats(const DecodeAttentionArgs& args) {
  return round_up(args.key_size, kEight) + attention_floats(args.value_size);
}

template <class T, int kPacks, bool kVector>
TACIT_DEVICE void run_splits(const SplitPlan& plan) {
  const DecodeAttentionArgs& args = plan.args;
  const int64_t unit = block(), heads = args.rows * args.heads;
  const int64_t split = unit / heads, b = unit % heads / args.heads, head = unit % args.heads;
  const int64_t stored = args.stored_B[b] < args.columns ? args.stored_B[b] : args.columns;
  if (stored <= 0 || split >= splits_of(stored)) return;
  float* const query = shared_memory();
  const int key_size = static_cast<int>(args.key_size), padded = static_cast<int>(round_up(key_size, kEight));
  const int64_t kv_head = head / (args.heads / args.kv_heads);
  const int64_t memory = (args.shared ? 0 : b * args.kv_heads) + kv_head;
  Columns<T> columns;
  columns.k_CE = static_cast<const T*>(args.k_BGCE) + memory * args.columns * key_size;
  columns.v_CE = args.v_BGCE ? static_cast<const T*>(args.v_BGCE) + memory * args.columns * args.value_size : nullptr;
  columns.key_size = key_size;
  columns.value_size = static_cast<int>(args.value_size);
  columns.begin = split * split_columns(stored);
  columns.end = columns.begin + split_columns(stored) < stored ? columns.begin + split_columns(stored) : stored;
  columns.seen_C = args.seen_BC ? args.seen_BC + b * args.columns : nullptr;
  FetchedColumns<T, kPacks> fetched;
  fetch_columns<T, kPacks, kVector>(fetched, columns, ColumnLanes<kPacks>(columns), columns.begin);
  const T* const q_E = static_cast<const T*>(args.q_BHE) + (b * args.heads + head) * key_size;
  for (int e = thread(); e < padded; e += kThreads) query[e] = e < key_size ? load_one(q_E + e) * args.scale : 0;
  sync_block();
  const int64_t part = (b * args.heads + head) * plan.splits + split;
  attend_columns<T, kPacks, kVector>(
      query, columns, fetched, query + padded,
      [&](int e, float value) { plan.found[part * args.value_size + e] = value; },
      [&](float largest, float sum) {
        plan.pairs[part * 2] = largest;
        plan.pairs[part * 2 + 1] = sum;
      });
}

// What the parts of a row's columns weigh, such that the answer is the sum of factor[s] * value_E of part s; zeros
// where no part has seen anything.
TACIT_DEVICE void split_factors(const float* pairs, int splits, float* factor) {
  float largest = -infinity(), sum = 0;
  for (int s = 0; s < splits; ++s) largest = fmaxf(largest, load_written(pairs + 2 * s));
  for (int s = 0; s < splits; ++s)
    sum += weight_of(load_written(pairs + 2 * s), largest) * load_written(pairs + 2 * s + 1);
  for (int s = 0; s < splits; ++s) factor[s] = sum > 0 ? weight_of(load_written(pairs + 2 * s), largest) / sum : 0;
}

template <class T>
TACIT_DEVICE void run_join(const SplitPlan& plan) {
  const DecodeAttentionArgs& args = plan.args;
  const int64_t unit = block(), b = unit / args.heads;
  const int64_t stored = args.stored_B[b] < args.columns ? args.stored_B[b] : args.columns;
  const int splits = stored > 0 ? splits_of(stored) : 0;
  float* const factor = shared_memory();
  if (thread() == 0) split_factors(plan.pairs + unit * plan.splits * 2, splits, factor);
  sync_block();
  for (int64_t e = thread(); e < args.value_size; e += kThreads) {
    float total = 0;
    for (int s = 0; s < splits; ++s)
      total += factor[s] * load_written(plan.found + (unit * plan.splits + s) * args.value_size + e);
    static_cast<T*>(args.y_BHE)[unit * args.value_size + e] = narrow<T>(total);
  }
}

// The most parts that a row of at most `columns` columns is cut into.
TACIT_BOTH int most_splits(int64_t columns) {
  return splits_of(columns < kMostSplits * kSplitColumns ? columns : kMostSplits * kSplitColumns);
}

}  // namespace tacit::device
