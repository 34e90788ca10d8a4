#pragma once

#include "lib/kernels/latent_loop/loop_phases.cuh"

// Whole runs, made of the phases: what the kernels are.
namespace tacit::device {

// Brings a call to where the kernels read it. One block.
TACIT_DEVICE void take_setting(const LoopPlan& plan, const LoopSetting& setting) {
  if (setting.first == 0) {
    if (thread() == 0) *plan.request = setting.request;
    for (int b = thread(); b < plan.rows; b += kThreads) {
      const bool takes_part = !setting.request.active_B || setting.request.active_B[b] != 0;
      plan.row[b] = {takes_part, static_cast<int>(setting.request.stored_B[b]), 0};
      if (setting.request.steps_B) setting.request.steps_B[b] = 0;
    }
  }
  for (int i = thread(); i < setting.count; i += kThreads) plan.layer[setting.first + i] = setting.layer[i];
}

// What one launch does: everything, from `between` on, or one phase of the graph; `between` has a block a group of
// rows.
struct LoopPart {
  LoopPhase phase;
  int layer;
  bool first_step;  // of `between`
};

// All steps in one launch, every block resident. Blocks wait for what they need of each other, 5 times a layer (3 where
// attention and MLP are parallel) and not between steps, since every block works out for itself what the rows' next
// inputs are and who halts. All blocks see the same numbers in the same order, so they leave the loop together.
//
// The graph's kernels are this code, too, one phase a launch, without tags.
template <class T, class W, int kRows, bool kVector, bool kAll>
struct LoopRun {
  const LoopPlan& plan;
  const LoopRequest& request;
  Loop<T, W, kRows, kVector, kAll> loop;
  LayerPointers* at_hand;  // shared memory, where the launch does everything

  TACIT_DEVICE LoopRun(const LoopPlan& p, const LoopRequest& c)
      : plan(p),
        request(kAll ? c : *p.request),
        loop{p, kAll ? reinterpret_cast<RowState*>(shared_memory() + p.shared.rows) : p.row, shared_memory(),
             *reinterpret_cast<LoopShares*>(shared_memory() + p.shared.shares)},
        at_hand(reinterpret_cast<LayerPointers*>(shared_memory() + p.shared.layers)) {
    if (thread() == 0) *reinterpret_cast<LoopShares*>(shared_memory() + p.shared.shares) = shares_of(p);
    if (!kAll) sync_block();  // else run() has one
  }

  // The layer that is number `run` of all that have run in this launch.
  TACIT_DEVICE const LayerPointers& layer(int run) const {
    return kAll ? at_hand[(run + kLayersAtHand) % kLayersAtHand] : plan.layer[run < 0 ? 0 : run];
  }
  // Reads the pointers of the layer that is the run's; seen behind the block's next barrier.
  TACIT_DEVICE void fetch_layer(int run) const {
    constexpr int kWords = sizeof(LayerPointers) / sizeof(uint64_t);
    if (thread() >= kWords) return;
    reinterpret_cast<uint64_t*>(at_hand + run % kLayersAtHand)[thread()] =
        reinterpret_cast<const uint64_t*>(plan.layer + run % plan.layers)[thread()];
  }

  // Asks for what the phase after the next reads: the next one's is on its way already.
  TACIT_DEVICE void bring_nearer(LoopPhase phase, int run) const {
    const LayerPointers &now = layer(run), &next = layer(run + 1);
    const auto bring = [&](const void* weight, int inputs, const WeightRows& rows) {
      prefetch_rows(static_cast<const W*>(weight), inputs, rows, plan.prefetch_bytes);
    };
    const LoopShares& shares = loop.shares;
    if (phase == LoopPhase::attention_in) bring(now.out, plan.query_size(), shares.size);
    if (phase == (plan.parallel ? LoopPhase::attention_in : LoopPhase::attention_out))
      bring(now.down, plan.mlp_size, shares.size);
    if (phase == LoopPhase::attention) bring(plan.parallel ? next.up : now.up, plan.size, shares.mlp);
    if (phase == (plan.parallel ? LoopPhase::attention : LoopPhase::mlp_in)) {
      bring(next.query_key_value, plan.size, shares.qkv);
      if (block() == blocks() - 1) bring_vectors(next);
    }
    if (phase == (plan.parallel ? LoopPhase::attention_out : LoopPhase::mlp_out)) bring_stored(next);
  }
  // A layer's norms and biases, for all blocks.
  TACIT_DEVICE void bring_vectors(const LayerPointers& next) const {
    const auto bring = [&](const void* vector, int64_t size) {
      if (vector) prefetch_bytes(vector, size * static_cast<int64_t>(sizeof(T)));
    };
    bring(next.attention_norm.weight, plan.size);
    bring(next.attention_norm.bias, plan.size);
    bring(next.mlp_norm.weight, plan.size);
    bring(next.mlp_norm.bias, plan.size);
    bring(next.query_key_value_bias, plan.qkv_size());
    bring(next.out_bias, plan.size);
    bring(next.up_bias, plan.up_size());
    bring(next.down_bias, plan.size);
  }
  // The keys and values that this block's first unit of attention will read.
  TACIT_DEVICE void bring_stored(const LayerPointers& next) const {
    const int pair = block() / plan.heads, head = block() - pair * plan.heads;
    const int b = pair % plan.rows, split = pair / plan.rows;
    if (split >= kMostSplits || !loop.row[b].active) return;
    const int columns = loop.row[b].position, width = static_cast<int>(split_columns(columns + 1));
    const int begin = split * width, end = begin + width < columns ? begin + width : columns;
    if (begin >= end) return;
    const int64_t at = loop.stored_at(b, head / (plan.heads / plan.kv_heads)) + int64_t{begin} * plan.head_size;
    const WeightRows columns_here = {0, -1, end - begin};
    prefetch_rows(static_cast<const T*>(next.k_BGCE) + at, plan.head_size, columns_here, plan.prefetch_bytes);
    prefetch_rows(static_cast<const T*>(next.v_BGCE) + at, plan.head_size, columns_here, plan.prefetch_bytes);
  }

  // Of the layer that is number `run`: what a phase receives and tells. A layer uses two tags, one for what comes
  // before its last delta and one for that.
  TACIT_DEVICE Tags tags_of(LoopPhase phase, int run) const {
    if (!kAll) return {0, 0};
    const uint32_t last = request.tag + 2 * static_cast<uint32_t>(run), mine = last + 1, ends = last + 2;
    if (phase == LoopPhase::attention_in) return {last, mine};
    return {mine, phase == (plan.parallel ? LoopPhase::attention_out : LoopPhase::mlp_out) ? ends : mine};
  }

  TACIT_DEVICE void run(const LoopPart& part) {
    if (kAll) {
      for (int b = thread(); b < plan.rows; b += kThreads) loop.row[b] = plan.row[b];
      fetch_layer(0);
      sync_block();
    }
    LoopPhase phase = part.phase;
    int layer_number = part.layer, run = part.layer;  // layers run so far, the present one not counted
    int step = 0;
    for (;;) {
      const Tags tags = tags_of(phase, run);
      if (phase == LoopPhase::between) {
        if (!between(part, run, step)) return;
      } else if (phase == LoopPhase::attention) {
        if (kAll) bring_nearer(phase, run);
        loop.attention().attend(layer(run), tags);
      } else {
        const bool entered = kAll && phase == LoopPhase::attention_in && layer_number == 0;
        loop.products(phase, layer_number, layer(run), layer(run - 1), tags, entered, [&] {
          if (kAll && phase == LoopPhase::attention_in) fetch_layer(run + 1);
          if (kAll) bring_nearer(phase, run);
        });
      }
      if (!kAll) return;
      if (phase == LoopPhase::between) {
        phase = LoopPhase::attention_in;
        continue;
      }
      const bool ends = phase == (plan.parallel ? LoopPhase::attention_out : LoopPhase::mlp_out);
      phase = ends ? LoopPhase::attention_in : static_cast<LoopPhase>(static_cast<int>(phase) + 1);
      if (!ends) continue;
      ++run;
      if (++layer_number < plan.layers) continue;
      layer_number = 0;
      ++step;
      phase = LoopPhase::between;
    }
  }

  // -> whether the launch goes on.
  TACIT_DEVICE bool between(const LoopPart& part, int run, int step) const {
    const bool ends = kAll && step > 0 && step == request.steps;
    const bool writes = !kAll || block() == 0;
    if (ends && !writes) return false;  // nobody waits for the others
    const int first = kAll ? 0 : block() * kRows;
    if (!loop.any_active(first, loop.rows_from(first))) return false;
    sync_block();  // before a row's state changes
    BetweenSteps how;
    how.first_step = kAll ? step == 0 : part.first_step;
    how.tag = tags_of(LoopPhase::attention_in, run).in;
    how.writes = writes;
    how.proposes = !ends;
    loop.stream().between(first, request, kAll ? layer(run - 1) : plan.layer[plan.layers - 1], how);
    return kAll && !ends && loop.any_active(0, plan.rows);
  }
};

}  // namespace tacit::device
