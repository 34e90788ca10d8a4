#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "lib/kernels/cpu_rows.h"
#include "lib/kernels/decode_attention/attend_group.h"
#include "lib/kernels/latent_loop/latent_loop.h"
#include "lib/kernels/latent_loop/loop_rows.h"
#include "lib/kernels/packed_linear/packed_panels.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

// One call. Members of the team share all but `Mine`; a row is number n of the N that take part, and row b of the
// batch.
class Loop {
 public:
  explicit Loop(const LatentLoopArgs& args)
      : a_(args),
        kind_(panel_kind(args.scalar, args.format)),
        product_(panel_product(kind_)),
        attend_(attend_group(args.scalar)),
        scalar_bytes_(args.scalar == Scalar::fp32 ? 4 : 2),
        query_key_value_((args.heads + 2 * args.kv_heads) * args.head_size),
        // Gate and up meet in one panel's place where panels do not straddle them.
        paired_(args.gated && args.mlp_size % kPanel == 0) {
    for (int64_t b = 0; b < a_.rows; ++b) {
      if (a_.active_B && a_.active_B[b] == 0) continue;
      row_.push_back(b);
      stored_ = std::max(stored_, a_.stored_B[b] + a_.steps);
    }
    if (a_.steps_B) std::fill_n(a_.steps_B, a_.rows, 0);
  }

  void run();

 private:
  struct Mine {
    Team& team;
    float *sums, *scores, *head, *normed;  // [P, N, 64] of panels that are multiplied together, [S], [E], [D]
  };

  int64_t rows() const { return static_cast<int64_t>(row_.size()); }
  int64_t multiply_adds() const {
    const int64_t attention = (query_key_value_ + a_.heads * a_.head_size) * a_.size;
    return rows() * a_.layers * (attention + a_.size * a_.mlp_size * (a_.gated ? 3 : 2));
  }
  char* at(const void* base, int64_t element) const {
    return static_cast<char*>(const_cast<void*>(base)) + element * scalar_bytes_;
  }
  RowNorm row_norm(const LoopNorm& norm) const { return {a_.scalar, a_.layer_norm, a_.eps, a_.size, norm}; }

  void steps(Team& team);
  void begin(Mine& mine, int64_t step);
  void halt(Mine& mine);
  void layer(Mine& mine, const LoopLayer& l, int64_t step);
  const float* norm(Mine& mine, const LoopNorm& norm, float* shared, bool meets = true);
  void add_normed(Mine& mine, const LoopNorm& post_norm);
  void attention(Mine& mine, const LoopLayer& l, int64_t step);
  void attend(Mine& mine, const LoopLayer& l, int64_t n, int64_t g, int64_t position);
  void up(Mine& mine, const LoopLayer& l, const float* in);
  void finish_up(Mine& mine);
  void add(Mine& mine, const LoopLinear& l, const float* in, int64_t in_stride, const LoopNorm& post_norm);
  void rotate(float* head, int64_t position) const;
  // `count` panels of x W^T + bias, N rows of 64 each.
  void panels(const LoopLinear& l, int64_t first, int64_t count, const float* in, int64_t in_stride, float* sums) const;
  // Calls done(first output, count, sums) for every panel of this member's share.
  template <class Done>
  void linear(Mine& mine, const LoopLinear& l, const float* in, int64_t in_stride, const Done& done) const;

  const LatentLoopArgs& a_;
  PanelKind kind_;
  PanelProduct product_;
  Attend attend_;
  int64_t scalar_bytes_, query_key_value_;
  bool paired_;
  int64_t stored_ = 0;  // most columns of any row, the last step included
  std::vector<int64_t> row_, keeps_;
  float *x_ = nullptr, *normed_ = nullptr, *mlp_normed_ = nullptr, *mixed_ = nullptr;  // [N, D]
  float *qkv_ = nullptr, *found_ = nullptr;                                            // [N, (H + 2G) E], [N, H E]
  float *up_ = nullptr, *hidden_ = nullptr;                                            // [N, F or 2 F], [N, F]
  float* own_ = nullptr;
  int64_t own_size_ = 0, sums_size_ = 0;
};

int64_t lines(int64_t floats) { return (floats + 15) / 16 * 16; }

void Loop::run() {
  if (rows() == 0 || a_.steps == 0) return;
  constexpr int64_t kWorthTheTeam = 1 << 20;  // multiply-adds a step; below, the meetings cost more
  const bool alone = multiply_adds() < kWorthTheTeam;
  const int64_t n = rows(), row = lines(a_.size);
  const int64_t up_size = a_.gated && !paired_ ? 2 * a_.mlp_size : a_.mlp_size;
  sums_size_ = std::max(n, kPanelsTogether) * kPanel;  // rows leave, and the last one takes several panels
  own_size_ = sums_size_ + lines(stored_) + lines(a_.head_size) + row;
  const int64_t shared = 4 * lines(n * a_.size) + lines(n * query_key_value_) + lines(n * a_.heads * a_.head_size) +
                         lines(n * up_size) + lines(n * a_.mlp_size);
  // Kept for the next call of this thread: fresh pages would be the dearest part of a small step.
  thread_local std::vector<float> space;
  int64_t members = 1;
  const auto assign = [&] {
    const auto size = static_cast<size_t>(shared + members * own_size_ + 16);
    if (space.size() < size) space.resize(size);
    float* next = space.data();
    next += (64 - reinterpret_cast<uintptr_t>(next) % 64) % 64 / sizeof(float);
    const auto take = [&](int64_t floats) { return std::exchange(next, next + lines(floats)); };
    x_ = take(n * a_.size), normed_ = take(n * a_.size), mlp_normed_ = take(n * a_.size), mixed_ = take(n * a_.size);
    qkv_ = take(n * query_key_value_), found_ = take(n * a_.heads * a_.head_size);
    up_ = take(n * up_size), hidden_ = take(n * a_.mlp_size);
    own_ = next;
  };
  run_team(alone, [&](Team& team) {
    if (team.member() == 0) {
      members = team.size();
      assign();
    }
    team.meet();
    steps(team);
  });
}

void Loop::steps(Team& team) {
  float* sums = own_ + team.member() * own_size_;
  float* scores = sums + sums_size_;
  float* head = scores + lines(stored_);
  Mine mine{team, sums, scores, head, head + lines(a_.head_size)};
  for (int64_t step = 0; step < a_.steps; ++step) {
    if (a_.halt.weight_OI) {
      halt(mine);
      if (rows() == 0) return;
    }
    begin(mine, step);
    for (int64_t l = 0; l < a_.layers; ++l) layer(mine, a_.block[l], step);
    // Whoever stores a row's hidden state is who reads it at the next step.
    const auto [first, last] = team.share(rows());
    for (int64_t n = first; n < last; ++n) {
      narrow_row(a_.scalar, a_.size, x_ + n * a_.size, at(a_.hidden_BD, row_[n] * a_.size));
      if (a_.steps_B) a_.steps_B[row_[n]] = step + 1;
    }
  }
}

// Rows whose halting head says so leave, before they consume the thought that they would.
void Loop::halt(Mine& mine) {
  const auto [first, last] = mine.team.share(rows());
  if (mine.team.member() == 0) keeps_.assign(row_.size(), 1);
  mine.team.meet();
  for (int64_t n = first; n < last; ++n) {
    widen_row(a_.scalar, a_.size, at(a_.hidden_BD, row_[n] * a_.size), mine.normed);
    norm_row(row_norm(a_.final_norm), mine.normed, mine.normed);
    round_row(a_.scalar, a_.size, mine.normed);
    float sums[kPanel];
    panel_product(panel_kind(a_.scalar, WeightFormat::scalar))(
        {.weight = a_.halt.weight_OI, .inputs = a_.size, .rows = 1, .x = mine.normed, .x_stride = a_.size, .y = sums});
    if (a_.halt.bias_O) add_row(a_.scalar, 1, a_.halt.bias_O, sums);
    keeps_[n] = !(1 / (1 + std::exp(-sums[0])) > a_.halt_threshold);
  }
  mine.team.meet();
  if (mine.team.member() == 0) {
    size_t kept = 0;
    for (size_t n = 0; n < row_.size(); ++n) {
      if (keeps_[n]) row_[kept++] = row_[n];
    }
    row_.resize(kept);
  }
  mine.team.meet();
}

// x of every row: the next input, and its learned position.
void Loop::begin(Mine& mine, int64_t step) {
  const auto [first, last] = mine.team.share(rows());
  for (int64_t n = first; n < last; ++n) {
    const int64_t b = row_[n];
    float* x = x_ + n * a_.size;
    widen_row(a_.scalar, a_.size, at(step == 0 ? a_.x_BD : a_.hidden_BD, b * a_.size), x);
    if (step > 0 && a_.feed_normed) {
      norm_row(row_norm(a_.final_norm), x, x);
      round_row(a_.scalar, a_.size, x);
    }
    if (a_.trace_BND) narrow_row(a_.scalar, a_.size, x, at(a_.trace_BND, (b * a_.steps + step) * a_.size));
    if (a_.positions_PD) add_row(a_.scalar, a_.size, at(a_.positions_PD, (a_.stored_B[b] + step) * a_.size), x);
  }
  mine.team.meet();
}

// The rows' norms; a single row's is taken by every member for itself.
const float* Loop::norm(Mine& mine, const LoopNorm& norm, float* shared, bool meets) {
  if (rows() == 1 && meets) {
    norm_row(row_norm(norm), x_, mine.normed);
    return mine.normed;
  }
  const auto [first, last] = mine.team.share(rows());
  for (int64_t n = first; n < last; ++n) norm_row(row_norm(norm), x_ + n * a_.size, shared + n * a_.size);
  if (meets) mine.team.meet();
  return shared;
}

void Loop::panels(const LoopLinear& l, int64_t first, int64_t count, const float* in, int64_t in_stride,
                  float* sums) const {
  const auto* weight = static_cast<const char*>(l.weight_OI) + first * panel_bytes(l.inputs, kind_);
  product_({.weight = weight,
            .inputs = l.inputs,
            .rows = rows(),
            .panels = count,
            .x = in,
            .x_stride = in_stride,
            .y = sums});
  if (!l.bias_O) return;
  for (int64_t i = 0; i < count * rows(); ++i) {
    const int64_t output = (first + i / rows()) * kPanel;
    add_row(a_.scalar, std::min(kPanel, l.outputs - output), at(l.bias_O, output), sums + i * kPanel);
  }
}

template <class Done>
void Loop::linear(Mine& mine, const LoopLinear& l, const float* in, int64_t in_stride, const Done& done) const {
  const auto [first, last] = mine.team.share((l.outputs + kPanel - 1) / kPanel);
  for (int64_t p = first, count; p < last; p += count) {
    count = panels_together(rows(), last - p);
    panels(l, p, count, in, in_stride, mine.sums);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t output = (p + i) * kPanel;
      done(output, std::min(kPanel, l.outputs - output), mine.sums + i * rows() * kPanel);
    }
  }
}

void Loop::layer(Mine& mine, const LoopLayer& l, int64_t step) {
  const float *in = nullptr, *mlp_in = nullptr;
  if (a_.parallel) {
    mlp_in = norm(mine, l.mlp_norm, mlp_normed_, /*meets=*/false);
    in = norm(mine, l.attention_norm, normed_, /*meets=*/false);
    mine.team.meet();
    up(mine, l, mlp_in);
  } else {
    in = norm(mine, l.attention_norm, normed_);
  }
  linear(mine, l.query_key_value, in, a_.size, [&](int64_t first, int64_t count, const float* sums) {
    for (int64_t n = 0; n < rows(); ++n) std::copy_n(sums + n * kPanel, count, qkv_ + n * query_key_value_ + first);
  });
  mine.team.meet();
  if (a_.parallel) finish_up(mine);
  attention(mine, l, step);
  mine.team.meet();
  add(mine, l.out, found_, a_.heads * a_.head_size, l.attention_post_norm);
  if (!a_.parallel) {
    mine.team.meet();
    if (l.attention_post_norm.weight) add_normed(mine, l.attention_post_norm);
    mlp_in = norm(mine, l.mlp_norm, normed_);
    up(mine, l, mlp_in);
    mine.team.meet();
    finish_up(mine);
    if (a_.gated && !paired_) mine.team.meet();
  }
  add(mine, l.down, hidden_, a_.mlp_size, l.mlp_post_norm);
  mine.team.meet();
  if (l.mlp_post_norm.weight) add_normed(mine, l.mlp_post_norm);
  if (l.stream_norm.weight) {
    const auto [first, last] = mine.team.share(rows());
    for (int64_t n = first; n < last; ++n) {
      norm_row(row_norm(l.stream_norm), x_ + n * a_.size, x_ + n * a_.size);
    }
    mine.team.meet();
  }
}

// A linear layer that ends on the residual stream, or before the norm that stands there.
void Loop::add(Mine& mine, const LoopLinear& l, const float* in, int64_t in_stride, const LoopNorm& post_norm) {
  linear(mine, l, in, in_stride, [&](int64_t first, int64_t count, const float* sums) {
    for (int64_t n = 0; n < rows(); ++n) {
      float* to = (post_norm.weight ? mixed_ : x_) + n * a_.size + first;
      if (post_norm.weight) {
        std::copy_n(sums + n * kPanel, count, to);
      } else {
        add_row(count, sums + n * kPanel, to);
      }
    }
  });
}

void Loop::add_normed(Mine& mine, const LoopNorm& post_norm) {
  const auto [first, last] = mine.team.share(rows());
  for (int64_t n = first; n < last; ++n) {
    norm_row(row_norm(post_norm), mixed_ + n * a_.size, mixed_ + n * a_.size);
    add_row(a_.size, mixed_ + n * a_.size, x_ + n * a_.size);
  }
  mine.team.meet();
}

// What down reads, or with gates whose panels straddle, its two factors.
void Loop::up(Mine& mine, const LoopLayer& l, const float* in) {
  if (paired_) {
    const int64_t gates = a_.mlp_size / kPanel;
    const auto [first, last] = mine.team.share(gates);
    for (int64_t p = first, count; p < last; p += count) {
      count = panels_together(rows(), last - p);
      const auto hidden = [&](int64_t i) { return hidden_ + i % rows() * a_.mlp_size + (p + i / rows()) * kPanel; };
      panels(l.up, p, count, in, a_.size, mine.sums);
      for (int64_t i = 0; i < count * rows(); ++i) {
        activate_row(a_.activation, kPanel, mine.sums + i * kPanel, nullptr, hidden(i));
      }
      panels(l.up, p + gates, count, in, a_.size, mine.sums);
      for (int64_t i = 0; i < count * rows(); ++i) {
        float* to = hidden(i);
        for (int64_t j = 0; j < kPanel; ++j) to[j] *= mine.sums[i * kPanel + j];
      }
    }
    return;
  }
  linear(mine, l.up, in, a_.size, [&](int64_t first, int64_t count, const float* sums) {
    for (int64_t n = 0; n < rows(); ++n) {
      if (a_.gated) {
        std::copy_n(sums + n * kPanel, count, up_ + n * 2 * a_.mlp_size + first);
      } else {
        activate_row(a_.activation, count, sums + n * kPanel, nullptr, hidden_ + n * a_.mlp_size + first);
      }
    }
  });
}

void Loop::finish_up(Mine& mine) {
  if (!a_.gated || paired_) return;
  const int64_t F = a_.mlp_size;
  const auto [first, last] = mine.team.share(F);
  for (int64_t n = 0; n < rows(); ++n) {
    const float* gate = up_ + n * 2 * F;
    activate_row(a_.activation, last - first, gate + first, gate + F + first, hidden_ + n * F + first);
  }
}

void Loop::attention(Mine& mine, const LoopLayer& l, int64_t step) {
  const auto [first, last] = mine.team.share(rows() * a_.kv_heads);
  for (int64_t item = first; item < last; ++item) {
    const int64_t n = item / a_.kv_heads;
    attend(mine, l, n, item % a_.kv_heads, a_.stored_B[row_[n]] + step);
  }
}

// Queries of one key/value head: their norm and rotation, the key's too, storing, and what they find.
void Loop::attend(Mine& mine, const LoopLayer& l, int64_t n, int64_t g, int64_t position) {
  const int64_t E = a_.head_size, group = a_.heads / a_.kv_heads, b = row_[n];
  float* q = qkv_ + n * query_key_value_ + g * group * E;
  float* k = qkv_ + n * query_key_value_ + (a_.heads + g) * E;
  const float* v = k + a_.kv_heads * E;
  const auto prepare = [&](float* head, const LoopNorm& head_norm) {
    if (head_norm.weight) norm_row({a_.scalar, /*layer=*/false, a_.eps, E, head_norm}, head, head);
    rotate(head, position);
  };
  for (int64_t h = 0; h < group; ++h) prepare(q + h * E, l.query_norm);
  prepare(k, l.key_norm);
  if (l.smear_G) {
    void* last_k = at(l.last_k_BGE, (b * a_.kv_heads + g) * E);
    float* left = mine.head;
    widen_row(a_.scalar, E, last_k, left);
    narrow_row(a_.scalar, E, k, last_k);
    for (int64_t e = 0; e < E; ++e) k[e] += l.smear_G[g] * (left[e] - k[e]);
  }
  const int64_t head = (b * a_.kv_heads + g) * a_.columns * E;
  narrow_row(a_.scalar, E, k, at(l.k_BGCE, head + position * E));
  narrow_row(a_.scalar, E, v, at(l.v_BGCE, head + position * E));
  attend_({.heads = group,
           .key_size = E,
           .value_size = E,
           .k_SE = at(l.k_BGCE, head),
           .v_SE = at(l.v_BGCE, head),
           .key_stride = E,
           .value_stride = E,
           .stored = position + 1,
           .scale = a_.attention_scale,
           .q_HE = q,
           .scores_S = mine.scores,
           .q_split_E = mine.head,
           .y_HE = found_ + n * a_.heads * E + g * group * E});
}

void Loop::rotate(float* head, int64_t position) const {
  const int64_t size = a_.rotary_size, half = size / 2;
  const float* cos = a_.cos_PE + position * size;
  const float* sin = a_.sin_PE + position * size;
  for (int64_t i = 0; i < half; ++i) {
    const int64_t j = a_.rotary_interleaved ? 2 * i : i, other = a_.rotary_interleaved ? j + 1 : i + half;
    const float x = head[j], y = head[other];
    head[j] = x * cos[j] - y * sin[j];
    head[other] = y * cos[other] + x * sin[other];
  }
}

}  // namespace

void latent_loop_cpu(const LatentLoopArgs& args) { Loop(args).run(); }

}  // namespace tacit
