#pragma once

#include "lib/kernels/latent_loop/loop_phases.cuh"

// Whole runs, made of the phases: what the kernels are.
namespace tacit::device {

// Brings a call to where the kernels read it. One block.
TACIT_DEVICE void take_setting(const LoopPlan& plan, const LoopSetting& setting) {
  if (setting.first == 0) {
    if (thread() == 0) {
      *plan.request = setting.request;
      *plan.barrier = 0;
    }
    for (int b = thread(); b < plan.rows; b += kThreads) {
      const bool takes_part = !setting.request.active_B || setting.request.active_B[b] != 0;
      plan.row[b] = {takes_part, static_cast<int>(setting.request.stored_B[b]), 0};
      if (setting.request.steps_B) setting.request.steps_B[b] = 0;
    }
  }
  for (int i = thread(); i < setting.count; i += kThreads) plan.layer[setting.first + i] = setting.layer[i];
}

// What one launch does: everything, or one phase of the graph.
struct LoopPart {
  bool all;
  LoopPhase phase;  // else; `between` has a block a group of rows
  int layer;
  bool first_step;  // of `between`
};

// All steps in one launch, every block resident: 5 barriers a layer, 3 where attention and MLP are parallel, none
// between steps, since every block works out for itself what the rows' next inputs are and who halts. All blocks see
// the same numbers in the same order, so they leave the loop together.
//
// The graph's kernels are this code, too, one phase a launch; the stream of every step then enters by base 2.
template <class T, int kRows, bool kVector>
struct LoopRun {
  const LoopPlan& plan;
  const LoopRequest& request;
  Loop<T, kRows, kVector> loop;
  LayerPointers* at_hand;  // shared memory, where the launch does everything
  Counter target = 0;

  TACIT_DEVICE LoopRun(const LoopPlan& p, const LoopRequest& c, bool all)
      : plan(p),
        request(all ? c : *p.request),
        loop{p, all ? reinterpret_cast<RowState*>(shared_memory() + p.shared.rows) : p.row, shared_memory()},
        at_hand(all ? reinterpret_cast<LayerPointers*>(shared_memory() + p.shared.layers) : nullptr) {}

  // The layer that is number `run` of all that have run in this launch.
  TACIT_DEVICE const LayerPointers& layer(int run) const {
    return at_hand ? at_hand[(run + kLayersAtHand) % kLayersAtHand] : plan.layer[run < 0 ? 0 : run];
  }
  // Reads the pointers of the layer that is the run's; seen behind the next barrier.
  TACIT_DEVICE void fetch_layer(int run) const {
    constexpr int kWords = sizeof(LayerPointers) / sizeof(uint64_t);
    if (thread() >= kWords) return;
    reinterpret_cast<uint64_t*>(at_hand + run % kLayersAtHand)[thread()] =
        reinterpret_cast<const uint64_t*>(plan.layer + run % plan.layers)[thread()];
  }

  // While the blocks wait for each other, the weights of the phase after the next come nearer: those of the next one
  // are on their way already.
  TACIT_DEVICE void bring_nearer(LoopPhase behind, int run) const {
    const LayerPointers &now = layer(run), &next = layer(run + 1);
    const auto bring = [&](const void* weight, int inputs, const WeightRows& rows) {
      prefetch_rows(static_cast<const T*>(weight), inputs, rows, plan.prefetch_bytes);
    };
    const auto rows = [&](int64_t outputs) { return rows_of(outputs, block(), blocks()); };
    const bool last = behind == (plan.parallel ? LoopPhase::attention_out : LoopPhase::mlp_in);
    if (behind == LoopPhase::attention_in) bring(now.out, plan.query_size(), rows(plan.size));
    if (behind == (plan.parallel ? LoopPhase::attention : LoopPhase::attention_out))
      bring(now.down, plan.mlp_size, rows(plan.size));
    if (last) bring(next.query_key_value, plan.size, rows(plan.qkv_size()));
    if (behind == (plan.parallel ? LoopPhase::attention_out : LoopPhase::attention))
      bring(plan.parallel ? next.up : now.up, plan.size, up_rows_of(plan, block(), blocks()));
  }
  TACIT_DEVICE void barrier(LoopPhase behind, int run) {
    sync_block();
    target += blocks();
    if (thread() == 0) add_released(plan.barrier);
    bring_nearer(behind, run);
    if (thread() == 0) wait_acquired(plan.barrier, target);
    sync_block();
  }

  TACIT_DEVICE void run(const LoopPart& part) {
    if (part.all) {
      for (int b = thread(); b < plan.rows; b += kThreads) loop.row[b] = plan.row[b];
      fetch_layer(0);
      sync_block();
    }
    LoopPhase phase = part.phase;
    int layer_number = part.layer, run = part.layer;  // layers run so far, the present one not counted
    int64_t step = 0;
    for (;;) {
      const int input = part.all ? 2 + static_cast<int>(step % 2) : 2;
      if (phase == LoopPhase::between) {
        if (!between(part, run, input, step)) return;
      } else if (phase == LoopPhase::attention) {
        loop.attention(layer(run));
        if (part.all) fetch_layer(run + 1);
      } else {
        const bool entered = part.all && phase == LoopPhase::attention_in && layer_number == 0;
        loop.products(phase, layer_number, layer(run), layer(run - 1), input, entered);
      }
      if (!part.all) return;
      if (phase == LoopPhase::between) {
        phase = LoopPhase::attention_in;
        continue;
      }
      barrier(phase, run);
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
  TACIT_DEVICE bool between(const LoopPart& part, int run, int input, int64_t step) const {
    const bool ends = part.all && step > 0 && step == request.steps;
    const bool writes = !part.all || block() == 0;
    if (ends && !writes) return false;  // no barrier stands behind the last step
    const int first = part.all ? 0 : block() * kRows;
    if (!loop.any_active(first, loop.rows_from(first))) return false;
    sync_block();  // before a row's state changes
    typename Loop<T, kRows, kVector>::Between how;
    how.first_step = part.all ? step == 0 : part.first_step;
    how.from = part.all ? 5 - input : 2;
    how.to = input;
    how.sharer = part.all ? block() : 0;
    how.sharers = part.all ? blocks() : 1;
    how.writes = writes;
    how.proposes = !ends;
    loop.between(first, request, part.all ? layer(run - 1) : plan.layer[plan.layers - 1], how);
    return part.all && !ends && loop.any_active(0, plan.rows);
  }
};

}  // namespace tacit::device
